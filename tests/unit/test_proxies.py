"""Loopback addresses are excepted from the environment's proxies, beside what the user excepts."""

import os

import pytest
from requests.utils import get_environ_proxies

from cli.proxies import NO_PROXY_VARIABLES, PROXY_VARIABLES, bypass_proxies_for_loopback

HERE = ["http://127.0.0.1:5001", "http://127.8.9.1", "http://localhost:80/x", "http://[::1]:5001"]
ELSEWHERE = [
    "http://10.0.0.1",
    "http://[2001:db8::1]:5001",
    "http://mylocalhost",
    "http://bank.example",
]
EXCEPTED = "http://inside.example"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *NO_PROXY_VARIABLES):
        for spelled in (name.lower(), name.upper()):
            monkeypatch.setenv(spelled, "")  # so that it is reset after the test
            del os.environ[spelled]


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("excepting", ["no_proxy", "NO_PROXY"])
def test_this_machine_and_what_the_user_excepts_are_reached_directly(
    proxy: str, excepting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(proxy, "http://proxy.example:3128")
    monkeypatch.setenv(excepting, "inside.example, 192.168.0.0/16")
    assert get_environ_proxies(HERE[0])
    bypass_proxies_for_loopback()
    bypass_proxies_for_loopback()
    for url in (*HERE, EXCEPTED, "http://192.168.7.7"):
        assert not get_environ_proxies(url), url
    for url in ELSEWHERE:
        assert get_environ_proxies(url), url
    assert os.environ["no_proxy"].count("localhost") == 1


def test_what_lower_and_upper_case_except_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    bypass_proxies_for_loopback()
    assert os.environ["no_proxy"] == "*"
    assert os.environ["NO_PROXY"].startswith("inside.example,localhost,")


def test_without_a_proxy_the_environment_stays_as_it_is() -> None:
    bypass_proxies_for_loopback()
    assert not set(NO_PROXY_VARIABLES) & set(os.environ)

"""Loopback addresses bypass the environment's proxies, like the hosts that the user excludes."""

import os

import pytest
from requests.utils import get_environ_proxies

from cli.proxies import NO_PROXY_VARIABLES, PROXY_VARIABLES, bypass_proxies_for_loopback

LOOPBACK_URLS = [
    "http://127.0.0.1:5001",
    "http://127.8.9.1",
    "http://localhost:80/x",
    "http://[::1]:5001",
]
OTHER_URLS = [
    "http://10.0.0.1",
    "http://[2001:db8::1]:5001",
    "http://mylocalhost",
    "http://bank.example",
]
EXCLUDED_URL = "http://inside.example"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *NO_PROXY_VARIABLES):
        for spelled in (name.lower(), name.upper()):
            monkeypatch.setenv(spelled, "")  # to restore it after the test
            del os.environ[spelled]


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("no_proxy", ["no_proxy", "NO_PROXY"])
def test_loopback_and_excluded_hosts_are_reached_without_the_proxy(
    proxy: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(proxy, "http://proxy.example:3128")
    monkeypatch.setenv(no_proxy, "inside.example, 192.168.0.0/16")
    assert get_environ_proxies(LOOPBACK_URLS[0])
    bypass_proxies_for_loopback()
    bypass_proxies_for_loopback()
    for url in (*LOOPBACK_URLS, EXCLUDED_URL, "http://192.168.7.7"):
        assert not get_environ_proxies(url), url
    for url in OTHER_URLS:
        assert get_environ_proxies(url), url
    assert os.environ["no_proxy"].count("localhost") == 1


def test_the_lower_and_upper_case_variables_are_extended_separately(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    bypass_proxies_for_loopback()
    assert os.environ["no_proxy"] == "*"
    assert os.environ["NO_PROXY"].startswith("inside.example,localhost,")


def test_without_a_proxy_the_environment_is_unchanged() -> None:
    bypass_proxies_for_loopback()
    assert not set(NO_PROXY_VARIABLES) & set(os.environ)

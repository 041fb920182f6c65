"""Rows, tokens and passwords for this machine never go through a proxy."""

from pathlib import Path

import pyarrow as pa
import pytest
from mlflow import MlflowClient

from cli.proxies import NO_PROXY_VARIABLES, PROXY_VARIABLES
from scoring.endpoint import ModelEndpoint
from scoring.errors import EndpointError
from tests.support.scripted_endpoint import Response, ScriptedEndpoint, scripted_endpoint
from tests.support.scripts import run_main

ROWS = pa.table({"requested": [1.0]})
SCORED = Response(200, "application/json", b'{"predictions": [[0.5, 0.5]]}')


@pytest.fixture
def proxied(endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> ScriptedEndpoint:
    """A proxy that the environment variables name, and that answers each request itself."""
    for name in (*PROXY_VARIABLES, *NO_PROXY_VARIABLES):
        monkeypatch.setenv(name.upper(), "")
        monkeypatch.setenv(name.lower(), "" if name.lower() == "no_proxy" else endpoint.url)
    endpoint.script = lambda _request: SCORED
    return endpoint


def test_requests_to_this_machine_use_no_proxy(proxied: ScriptedEndpoint) -> None:
    with scripted_endpoint() as model:
        model.script = lambda _request: SCORED
        ModelEndpoint(model.url, token="secret").predict(ROWS)  # noqa: S106  (not a secret)
        assert len(model.requests) == 1
    assert not proxied.requests
    ModelEndpoint("http://another.invalid").predict(ROWS)
    assert len(proxied.requests) == 1


def test_mlflow_calls_a_server_on_this_machine_without_a_proxy(proxied: ScriptedEndpoint) -> None:
    with scripted_endpoint() as store:
        store.script = lambda _request: Response(200, "application/json", b"{}")
        assert run_main(lambda _argv: len(MlflowClient(store.url).search_experiments())) == 0
        assert len(store.requests) == 1
    assert not proxied.requests


def test_netrc_does_not_replace_the_token(
    endpoint: ScriptedEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    endpoint.script = lambda _request: SCORED
    ModelEndpoint(endpoint.url, token="secret").predict(ROWS)  # noqa: S106
    assert endpoint.requests[0].headers["Authorization"] == "Bearer secret"
    moved = Response(307, "text/plain", b"", {"Location": f"{endpoint.url}/elsewhere"})
    endpoint.script = lambda _request: moved
    with pytest.raises(EndpointError, match="307"):
        ModelEndpoint(endpoint.url, token="secret").predict(ROWS)  # noqa: S106
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize(
    ("address", "token", "warned"),
    [
        ("http://bank.example:5001", "secret", True),
        ("http://me:secret@bank.example:5001", "", True),
        ("http://10.0.0.7", "secret", True),
        ("http://bank.example:5001", "", False),
        ("https://bank.example:5001", "secret", False),
        ("http://127.0.0.1:5001", "secret", False),
        ("http://me:secret@localhost:5001", "", False),
        ("http://[::1]:5001", "secret", False),
    ],
)
def test_a_secret_without_tls_to_another_machine_is_warned_about(
    address: str, token: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    ModelEndpoint(address, token=token)
    error = capsys.readouterr().err
    assert ("has no TLS" in error) == warned
    assert "secret" not in error

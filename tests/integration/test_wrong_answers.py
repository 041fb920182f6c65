"""Invalid responses end with one error, and nothing of them is stored."""

import json
from collections.abc import Callable

import pytest

from scoring import backoff
from tests.support.databases import count_scored, query
from tests.support.scoring import score
from tests.support.scripted_endpoint import (
    Request,
    Response,
    Script,
    ScriptedEndpoint,
    forward,
    refuse,
)
from tests.support.trained import TrainedStore


def respond_with(status: int, body: bytes, kind: str = "application/json") -> Script:
    return lambda _request: Response(status, kind, body)


BAD_RESPONSES: dict[str, tuple[Script, str]] = {
    "a web page": (respond_with(200, b"<html>Welcome</html>", "text/html"), "not JSON"),
    "other JSON": (respond_with(200, b'{"status": "ok"}'), "no pair of probabilities"),
    "a list": (respond_with(200, b"[1, 2]"), "no pair of probabilities"),
    "too few": (respond_with(200, b'{"predictions": [[0.5, 0.5]]}'), "1 predictions for"),
    "NaN": (
        lambda request: Response(200, "application/json", predictions(request, "NaN")),
        "not probabilities between 0 and 1",
    ),
    "a probability of 1.5": (
        lambda request: Response(200, "application/json", predictions(request, "1.5")),
        "not probabilities between 0 and 1",
    ),
    "probabilities as texts": (
        lambda request: Response(200, "application/json", predictions(request, '"0.5"')),
        "no pair of probabilities",
    ),
    "pairs of 0.9 and 0.9": (
        lambda request: Response(200, "application/json", predictions(request, "0.9")),
        "do not add up to 1",
    ),
    "lists in lists, 100,000 deep": (respond_with(200, b"[" * 100_000), "not JSON"),
    "a body cut short": (
        lambda _request: Response(200, "application/json", b'{"pred', {"Content-Length": "900"}),
        "its answer broke off",
    ),
    "a wait beyond all years": (
        lambda _request: refuse(503, Retry_After="Mon, 01 Jan 99999 00:00:00 GMT"),
        "answered 503",
    ),
    "a redirection": (
        lambda _request: Response(302, "text/plain", b"", {"Location": "http://127.0.0.1:9/"}),
        "302",
    ),
    "no answer": (lambda _request: None, "No model answers"),
    "not found": (respond_with(404, b"", "text/plain"), "404"),
    "a fault": (respond_with(500, b"oops", "text/plain"), "500"),
    "400 on everything": (
        respond_with(400, b'{"error_code": "BAD_REQUEST", "message": "no"}'),
        "refuses even the canary rows",
    ),
}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.05)


def predictions(request: Request, value: str) -> bytes:
    pairs = ", ".join([f"[{value}, {value}]"] * request.rows.num_rows)
    return f'{{"predictions": [{pairs}]}}'.encode()


DISORDERS: dict[str, Callable[[list[object]], list[object]]] = {
    "reversed": lambda rest: rest[::-1],
    "shifted": lambda rest: [*rest[1:], rest[0]],
    "all the same": lambda rest: rest[:1] * len(rest),
    "a half repeated": lambda rest: (rest[: len(rest) // 2 + 1] * 2)[: len(rest)],
}


@pytest.mark.parametrize("batch_size", [1, 700])
@pytest.mark.parametrize("case", DISORDERS)
def test_predictions_in_the_wrong_order_are_never_stored(
    case: str,
    batch_size: int,
    small_database: str,
    trained: TrainedStore,
    champion: str,
    endpoint: ScriptedEndpoint,
) -> None:
    """Not even if the first predictions, as many as there are canary rows, are right."""
    unchanged = len(trained.version().canary.rows) if batch_size > 1 else 3

    def script(request: Request) -> Response:
        answer = forward(champion, request.body)
        pairs = json.loads(answer.content)["predictions"]
        pairs[unchanged:] = DISORDERS[case](pairs[unchanged:])
        return answer._replace(content=json.dumps({"predictions": pairs}).encode())

    endpoint.script = script
    flags = ("--batch-size", batch_size, "--max-wait", 0, "--limit", batch_size)
    assert score(small_database, endpoint.url, *flags) == 4
    assert count_scored(small_database) == 0


@pytest.mark.parametrize("case", BAD_RESPONSES)
def test_a_bad_response_is_one_error_and_stores_nothing(
    case: str, small_database: str, endpoint: ScriptedEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.script, problem = BAD_RESPONSES[case]
    assert score(small_database, endpoint.url, "--max-wait", 0.3) == 4
    *before, error = capfd.readouterr().err.splitlines()
    assert problem in error
    assert error.startswith("error: ")
    assert all("Trying again" in line for line in before)
    for table in ("results_clicked", "results_clicked_rejected"):
        assert query(small_database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_an_unreachable_server_is_one_error(
    small_database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score(small_database, "http://127.0.0.1:9", "--max-wait", 0) == 4
    assert "No model answers at http://127.0.0.1:9" in capfd.readouterr().err
    for address in ("127.0.0.1:5001", "http://[::1", "http://127.0.0.1:5001?token=secret"):
        assert score(small_database, address) == 2
        error = capfd.readouterr().err
        assert "is not the address of an endpoint" in error
        assert "secret" not in error
    assert count_scored(small_database) == 0


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_missing_file_of_certificates_is_one_error(
    variable: str,
    small_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, "/nowhere/certificates.pem")
    assert score(small_database, "https://127.0.0.1:9") == 4
    error = capfd.readouterr().err
    assert "invalid path: /nowhere/certificates.pem" in error
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1


def test_a_password_in_the_address_is_neither_shown_nor_stored(
    small_database: str, endpoint: ScriptedEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.script = lambda _request: refuse(401)
    address = endpoint.url.replace("http://", "http://me:secret@")
    assert score(small_database, address) == 4
    output = capfd.readouterr()
    assert "secret" not in output.err + output.out
    assert query(small_database, "SELECT endpoint FROM scoring_runs") == [(endpoint.url,)]

"""Endpoints that answer wrongly, or refuse: one sentence, and nothing wrong is ever stored."""

import pyarrow as pa
import pytest

from serving.echo import without_echo
from tests.helpers import query, score, stored
from tests.misbehaving import Answer, Misbehaving, Request, Script, refuse, relay


def answering(status: int, body: bytes, kind: str = "application/json") -> Script:
    return lambda _request: Answer(status, kind, body)


BAD_ANSWERS: dict[str, tuple[Script, str]] = {
    "a web page": (answering(200, b"<html>Welcome</html>", "text/html"), "not JSON"),
    "other JSON": (answering(200, b'{"status": "ok"}'), "no pair of probabilities"),
    "a list": (answering(200, b"[1, 2]"), "no pair of probabilities"),
    "too few": (answering(200, b'{"predictions": [[0.5, 0.5]]}'), "1 predictions for"),
    "NaN": (
        lambda request: Answer(200, "application/json", predictions(request, "NaN")),
        "no probabilities between 0 and 1",
    ),
    "a probability of 1.5": (
        lambda request: Answer(200, "application/json", predictions(request, "1.5")),
        "no probabilities between 0 and 1",
    ),
    "probabilities as texts": (
        lambda request: Answer(200, "application/json", predictions(request, '"0.5"')),
        "no probabilities between 0 and 1",
    ),
    "a bottomless list": (answering(200, b"[" * 100_000), "not JSON"),
    "a body cut short": (
        lambda _request: Answer(200, "application/json", b'{"pred', {"Content-Length": "900"}),
        "its answer broke off",
    ),
    "a wait beyond all years": (
        lambda _request: refuse(503, Retry_After="Mon, 01 Jan 99999 00:00:00 GMT"),
        "answered 503",
    ),
    "a redirection": (
        lambda _request: Answer(302, "text/plain", b"", {"Location": "http://127.0.0.1:9/"}),
        "302",
    ),
    "nothing": (lambda _request: None, "No model answers"),
    "not found": (answering(404, b"", "text/plain"), "404"),
    "a fault": (answering(500, b"oops", "text/plain"), "500"),
    "400 on everything": (
        answering(400, b'{"error_code": "BAD_REQUEST", "message": "no"}'),
        "refuses even the canary rows",
    ),
}


def predictions(request: Request, value: str) -> bytes:
    pairs = ", ".join([f"[{value}, {value}]"] * request.rows.num_rows)
    return f'{{"predictions": [{pairs}]}}'.encode()


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_a_bad_answer_is_one_sentence_and_stores_nothing(
    case: str, loaded: str, misbehaving: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    misbehaving.script, said = BAD_ANSWERS[case]
    assert score(loaded, misbehaving.url, "--max-wait", 1) == 4
    *before, error = capfd.readouterr().err.splitlines()
    assert said in error
    assert error.startswith("error: ")
    assert all("Trying again" in line for line in before)
    for table in ("results_clicked", "results_clicked_rejected"):
        assert query(loaded, f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize("header", ["X-Model-Version", "X-Logged-Model-Id"])
def test_right_answers_under_another_version_s_name_are_not_stored(
    header: str,
    loaded: str,
    champion: str,
    misbehaving: Misbehaving,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def another(request: Request) -> Answer:
        return relay(champion, request.body)._replace(headers={header: "offer-click/9"})

    misbehaving.script = another
    assert score(loaded, misbehaving.url) == 4
    assert "answered as offer-click/9, not as" in capfd.readouterr().err
    assert stored(loaded) == 0
    misbehaving.script = lambda request: relay(champion, request.body)
    assert score(loaded, misbehaving.url, "--limit", 100) == 0
    assert stored(loaded) == 100


def test_no_server_is_one_sentence(loaded: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert score(loaded, "http://127.0.0.1:9", "--max-wait", 0) == 4
    assert "No model answers at http://127.0.0.1:9" in capfd.readouterr().err
    for address in ("127.0.0.1:5001", "http://[::1", "http://127.0.0.1:5001?token=secret"):
        assert score(loaded, address) == 2
        error = capfd.readouterr().err
        assert "is not an address of an endpoint" in error
        assert "secret" not in error
    assert stored(loaded) == 0


@pytest.mark.parametrize(
    ("text_of_answer", "reason"),
    [
        ('{"message": "Failed to predict data \'a 1\'. \\nError: bad \'x\' in \'apr\'."}',
         "bad '…' in 'apr'"),
        ('{"message": "Failed to predict data \'a 1\'"}', "no reason given"),
        ('{"message": "x\\nError: it can\'t be very poor, 19.99 or 7 \\ud800\\u001b[31m of 70"}',
         "it can't be …, … or … [31m of 70"),
        ("<html>", "no reason given"),
        ("[]", "no reason given"),
    ],
)  # fmt: skip
def test_a_reason_never_echoes_the_rows(text_of_answer: str, reason: str) -> None:
    rows = pa.table({"apr": [19.99, 7.0], "credit": ["fair", "very poor"]})
    assert without_echo(text_of_answer, rows) == reason

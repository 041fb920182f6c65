"""No sequence of faults loses a row, scores it twice, or stores a wrong score (hypothesis)."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.engine import database_url
from scoring import backoff
from tests.support.databases import query
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward, refuse
from tests.support.trained import TrainedStore

JSON = "application/json"
TIMEOUT = 0.5  # seconds that the client waits for an answer
TAKEN_ROWS = 60  # including canary rows; a lower limit would make the client send single rows
Fault = Callable[
    [Request, str, str], Response | None
]  # called with the endpoints of the right and the wrong version


def slow(request: Request, right: str, _wrong: str) -> Response:
    threading.Event().wait(TIMEOUT * 1.3)
    return forward(right, request.body)


def cut_short(request: Request, right: str, _wrong: str) -> Response:
    content = forward(right, request.body).content
    length = {"Content-Length": str(len(content))}
    return Response(200, JSON, content[: len(content) // 2], length)


def one_too_few(request: Request, right: str, _wrong: str) -> Response:
    content = forward(right, request.body).content
    return Response(200, JSON, content.replace(b"], [", b"]], [", 1)[:-1])


def too_large(request: Request, right: str, _wrong: str) -> Response:
    return refuse(413) if request.rows.num_rows > TAKEN_ROWS else forward(right, request.body)


def refusing(status: int) -> Fault:
    return lambda _request, _right, _wrong: refuse(status)


FAULTS: dict[str, Fault] = {
    "none": lambda request, right, _wrong: forward(right, request.body),
    "hangs up": lambda _request, _right, _wrong: None,
    "slow": slow,
    "cut short": cut_short,
    "one too few": one_too_few,
    "garbage": lambda _request, _right, _wrong: Response(200, JSON, b'{"predictions": [[NaN]]}'),
    "wrong version": lambda request, _right, wrong: forward(wrong, request.body),
    "refuses rows": lambda _request, _right, _wrong: Response(400, JSON, b'{"message": "x"}'),
    "too large": too_large,
    **{f"status {code}": refusing(code) for code in (403, 429, 500, 502, 503, 504)},
}
SCORES = "SELECT offer_id, model_id, click_probability FROM results_clicked ORDER BY offer_id"
COUNTS = (
    "SELECT (SELECT count(*) FROM offers), (SELECT count(*) FROM results_clicked), "
    "(SELECT count(*) FROM results_clicked_rejected)"
)
IN_BOTH = "SELECT count(*) FROM results_clicked JOIN results_clicked_rejected USING (offer_id)"


def test_no_sequence_of_faults_loses_doubles_or_falsifies_a_score(
    small_database: str,
    trained: TrainedStore,
    champion: str,
    challenger: str,
    endpoint: ScriptedEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(mlflow, "log_figure", lambda *_: None)  # drawing takes as long as scoring
    loaded = Path(str(database_url(small_database).database))
    untroubled = Path(shutil.copy(loaded, loaded.with_name("untroubled.db")))
    assert score(untroubled, champion, "--batch-size", 10_000) == 0
    expected = {(key, model): p for key, model, p in query(untroubled, SCORES)}
    assert len(expected) > 1000
    assert {model for _, model in expected} == {trained.champion_id}
    database = loaded.with_name("troubled.db")

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=12),
        batch_size=st.integers(100, 700),
        in_flight=st.integers(1, 4),
        max_wait=st.sampled_from([0, 2]),
    )
    def survives(faults: list[str], batch_size: int, in_flight: int, max_wait: int) -> None:
        def script(request: Request) -> Response | None:
            fault = faults[request.number - 1] if request.number <= len(faults) else "none"
            return FAULTS[fault](request, champion, challenger)

        shutil.copy(loaded, database)
        endpoint.requests.clear()
        endpoint.script = script
        flags = ("--batch-size", batch_size, "--in-flight", in_flight, "--timeout", TIMEOUT)
        waits = ("--max-wait", max_wait, "--wait-for-version", max_wait)
        code = score(database, endpoint.url, *flags, *waits)
        scores = query(database, SCORES)
        ((selected, scored, rejected),) = query(database, COUNTS)
        assert len({key for key, *_ in scores}) == len(scores)
        for key, model, probability in scores:
            assert probability == pytest.approx(expected[key, model], rel=1e-9, abs=0)
        assert code in ((0,) if scored + rejected == selected else (4, 5))
        assert rejected == 0 or "refuses rows" in faults
        assert query(database, IN_BOTH) == [(0,)]
        assert score(database, champion, "--replay") == 0
        assert {(key, model) for key, model, _ in query(database, SCORES)} == expected.keys()

    survives()

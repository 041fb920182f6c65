"""Sequences of faults, drawn by hypothesis: nothing is lost, doubled or stored wrongly."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ingest
from serving import pace
from tests.helpers import Trained, champion_id, query, run_main, score
from tests.misbehaving import Answer, Misbehaving, Request, refuse, relay

JSON = "application/json"
SECONDS = 1  # that the client waits for an answer
Fault = Callable[[Request, str, str], Answer | None]  # told the right and the wrong endpoint


def slow(request: Request, right: str, _wrong: str) -> Answer:
    threading.Event().wait(SECONDS * 1.3)
    return relay(right, request.body)


def cut_short(request: Request, right: str, _wrong: str) -> Answer:
    whole = relay(right, request.body)
    length = {"Content-Length": str(len(whole.content))}
    return Answer(200, JSON, whole.content[: len(whole.content) // 2], length)


def one_too_few(request: Request, right: str, _wrong: str) -> Answer:
    return Answer(200, JSON, relay(right, request.body).content.replace(b"], [", b"]], [", 1)[:-1])


def refusing(status: int) -> Fault:
    return lambda _request, _right, _wrong: refuse(status)


FAULTS: dict[str, Fault] = {
    "none": lambda request, right, _wrong: relay(right, request.body),
    "hangs up": lambda _request, _right, _wrong: None,
    "slow": slow,
    "cut short": cut_short,
    "one too few": one_too_few,
    "garbage": lambda _request, _right, _wrong: Answer(200, JSON, b'{"predictions": [[NaN]]}'),
    "wrong version": lambda request, _right, wrong: relay(wrong, request.body),
    "refuses rows": lambda _request, _right, _wrong: Answer(400, JSON, b'{"message": "x"}'),
    **{f"status {code}": refusing(code) for code in (403, 413, 429, 500, 502, 503, 504)},
}


@pytest.fixture
def small(small_source: Path, tmp_path: Path, trained: Trained, monkeypatch) -> Path:  # type: ignore[no-untyped-def]
    """A database with a few leads, and a client that does not wait long between tries."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    monkeypatch.setattr(pace, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(pace, "LONGEST_WAIT", 0.05)
    database = tmp_path / "small.db"
    assert run_main(ingest.main, "--source", small_source, "--database", database) == 0
    return database


SCORES = "SELECT offer_id, model_id, click_probability FROM results_clicked ORDER BY offer_id"
COUNTS = (
    "SELECT (SELECT count(*) FROM offers), (SELECT count(*) FROM results_clicked), "
    "(SELECT count(*) FROM results_clicked_rejected)"
)
IN_BOTH = "SELECT count(*) FROM results_clicked JOIN results_clicked_rejected USING (offer_id)"


def test_whatever_the_sequence_of_faults_nothing_is_lost_doubled_or_stored_wrongly(
    small: Path, trained: Trained, champion: str, challenger: str, misbehaving: Misbehaving
) -> None:
    untroubled = Path(shutil.copy(small, small.with_name("untroubled.db")))
    assert score(untroubled, champion, "--batch-size", 10_000) == 0
    expected = {(key, model): p for key, model, p in query(untroubled, SCORES)}
    assert len(expected) > 1000
    assert {model for _, model in expected} == {champion_id(trained)}
    database = small.with_name("troubled.db")

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=12),
        batch_size=st.integers(60, 700),
        in_flight=st.integers(1, 4),
        patience=st.sampled_from([0, 3]),
    )
    def survives(faults: list[str], batch_size: int, in_flight: int, patience: int) -> None:
        def script(request: Request) -> Answer | None:
            drawn = faults[request.number - 1] if request.number <= len(faults) else "none"
            return FAULTS[drawn](request, champion, challenger)

        shutil.copy(small, database)
        misbehaving.requests.clear()
        misbehaving.script = script
        flags = ("--batch-size", batch_size, "--in-flight", in_flight, "--timeout", SECONDS)
        waits = ("--max-wait", patience, "--wait-for-version", patience)
        code = score(database, misbehaving.url, *flags, *waits)
        found = query(database, SCORES)
        ((selected, scored, rejected),) = query(database, COUNTS)
        assert len({key for key, *_ in found}) == len(found)
        for key, model, probability in found:
            assert probability == pytest.approx(expected[key, model], rel=1e-9, abs=0)
        assert code in ((0,) if scored + rejected == selected else (4, 5))
        assert rejected == 0 or "refuses rows" in faults
        assert query(database, IN_BOTH) == [(0,)]
        assert score(database, champion, "--replay") == 0
        assert {(key, model) for key, model, _ in query(database, SCORES)} == expected.keys()

    survives()

"""Killed, stopped, doubled or overtaken by a load: every row is scored once all the same."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from db import results
from tests.helpers import (
    DEADLINE_SECONDS,
    PROJECT,
    SAMPLE_OFFERS,
    Trained,
    assert_every_offer_once,
    champion_id,
    execute,
    query,
    score,
    scoring_runs_of,
    started_script,
    stored,
    wait_for,
)
from tests.misbehaving import Answer, Misbehaving, Request, relay

KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
sys.path.insert(0, {project!r})
import score_client
from db import results

moment, batch, marker, batches = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), 0

def die_at(here):
    if here == moment and batches == batch:
        marker.write_text(here)
        os.kill(os.getpid(), signal.SIGKILL)

store = results.store

def counted_store(*args):
    global batches
    batches += 1
    die_at("before")
    kept = store(*args)
    die_at("after")
    return kept

@event.listens_for(Engine, "commit")  # the rows are written, COMMIT has not been sent
def committing(connection):
    die_at("during")

results.store = counted_store
sys.exit(score_client.main(sys.argv[4:]))
"""


def test_a_client_killed_before_during_or_after_a_commit_resumes(
    loaded: str, trained: Trained, champion: str, tmp_path: Path
) -> None:
    script, marker = tmp_path / "killed.py", tmp_path / "marker"
    script.write_text(KILLED.format(project=str(PROJECT)))
    size, kept = 1_000, 0
    for moment, batch in (("before", 3), ("during", 2), ("after", 4), ("during", 1)):
        command = [sys.executable, script, moment, batch, marker, "--database", loaded]
        done = subprocess.run(
            [*map(str, command), "--endpoint", champion, "--batch-size", str(size)],
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert marker.read_text() == moment
        # the batch that was being committed is there whole, if COMMIT returned, or not at all
        kept += size * (batch if moment == "after" else batch - 1)
        assert stored(loaded) == kept
    assert kept == 7 * size
    assert score(loaded, champion) == 0
    assert_every_offer_once(loaded, champion_id(trained))
    outcomes = Counter(row[0] for row in query(loaded, "SELECT outcome FROM scoring_runs"))
    assert outcomes == {"running": 4, "finished": 1}


@pytest.fixture
def held(champion: str, misbehaving: Misbehaving) -> Iterator[threading.Event]:
    """The endpoint holds back its answers from the third on until this is set."""
    release = threading.Event()

    def script(request: Request) -> Answer:
        if request.number > 2:
            release.wait(DEADLINE_SECONDS)
        return relay(champion, request.body)

    misbehaving.script = script
    yield release
    release.set()


@contextmanager
def told_to_finish(
    sent: signal.Signals, loaded: str, trained: Trained, misbehaving: Misbehaving
) -> Iterator[subprocess.Popen[str]]:
    """A client that got this signal while two requests were in flight."""
    flags = ("--database", loaded, "--endpoint", misbehaving.url)
    with started_script(
        "score_client.py",
        *flags,
        *("--batch-size", 1000, "--in-flight", 2),
        cwd=trained.folder,
        MLFLOW_TRACKING_URI=trained.tracking_uri,
    ) as client:
        wait_for(lambda: len(misbehaving.requests) == 4 and stored(loaded) == 2000, "two in flight")
        client.send_signal(sent)
        assert client.stderr
        while "Finishing what is in flight" not in (line := client.stderr.readline()):
            assert line, "the client did not say that it is finishing"
        yield client


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_sigint_or_sigterm_stores_what_is_in_flight_and_sums_up(
    sent: signal.Signals,
    code: int,
    loaded: str,
    trained: Trained,
    champion: str,
    misbehaving: Misbehaving,
    held: threading.Event,
) -> None:
    with told_to_finish(sent, loaded, trained, misbehaving) as client:
        held.set()
        output, error = client.communicate()
        assert client.returncode == code
    assert "Traceback" not in error
    assert stored(loaded) == 1000 * len(misbehaving.requests) == 4000
    assert f"4,000          0    {SAMPLE_OFFERS - 4000:,}" in output
    assert query(loaded, "SELECT outcome, stored FROM scoring_runs") == [("interrupted", 4000)]
    (run,) = scoring_runs_of(trained, loaded)
    assert (run.info.status, run.data.tags["outcome"]) == ("KILLED", "interrupted")
    assert score(loaded, champion) == 0
    assert_every_offer_once(loaded, champion_id(trained))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_stops_at_once(
    sent: signal.Signals,
    code: int,
    loaded: str,
    trained: Trained,
    misbehaving: Misbehaving,
    held: threading.Event,
) -> None:
    with told_to_finish(sent, loaded, trained, misbehaving) as client:
        client.send_signal(sent)
        _, error = client.communicate()
        assert client.returncode == code
    assert not held.is_set()
    assert "Traceback" not in error
    assert stored(loaded) == 2000
    assert query(loaded, "SELECT outcome, stored FROM scoring_runs") == [("interrupted", 2000)]


def test_a_load_in_the_middle_of_a_batch_makes_it_be_read_again(
    loaded: str, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, kept = results.store, list[bool]()

    def store_after_a_load(*args: Any) -> bool:
        if not kept:
            execute(
                loaded,
                "INSERT INTO loads VALUES (2, 'offer_click', 'elsewhere', '2030-01-01 00:00:00')",
                "UPDATE leads SET annual_income = 54321, load_id = 2",
            )
        kept.append(store(*args))
        return kept[-1]

    monkeypatch.setattr(results, "store", store_after_a_load)
    assert score(loaded, champion, "--limit", 400, "--batch-size", 400) == 0
    assert kept == [False, True]
    rows = query(loaded, "SELECT DISTINCT annual_income, trained_on FROM results_clicked")
    assert rows == [(54321.0, 0)]


CUT_OFF = """
import sys, threading
sys.path.insert(0, {project!r})
import console

ended = threading.Event()

def cut_off():
    ended.wait()
    raise KeyError("what the end of all took away")

def main():
    thread = threading.Thread(target=cut_off)
    thread.start()
    try:
        print("at work", flush=True)
        threading.Event().wait()
    finally:
        ended.set()
        thread.join()

console.run(main)
"""


@pytest.mark.parametrize(
    ("sent", "code", "said"), [(signal.SIGINT, 130, "Stopped.\n"), (signal.SIGTERM, 143, "")]
)
def test_a_stop_shows_no_traceback_of_the_threads_that_it_cuts_off(
    sent: signal.Signals, code: int, said: str, tmp_path: Path
) -> None:
    script = tmp_path / "cut_off.py"
    script.write_text(CUT_OFF.format(project=str(PROJECT)))
    with started_script(str(script), cwd=tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline() == "at work\n"
        process.send_signal(sent)
        _, error = process.communicate(timeout=DEADLINE_SECONDS)
        assert (process.returncode, error) == (code, said)

"""Every row is scored once even if score_client.py is killed or stopped, or a load interferes."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from db import results
from tests.support.databases import (
    assert_every_offer_scored_once,
    count_scored,
    execute,
    query,
)
from tests.support.project import PROJECT
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward
from tests.support.scripts import ScriptProcess, run_script, start_script
from tests.support.trained import TrainedStore
from tests.support.waiting import DEADLINE_SECONDS, wait_for

BATCH = 100
STOPS = pytest.mark.parametrize(
    ("signal_number", "exit_code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
    ids=["SIGINT", "SIGTERM"],
)

# Arguments: the moment and the batch at which the process kills itself, a file that it writes the
# moment to, and the flags of score_client.py.
KILLS_ITSELF = f"""
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
sys.path.insert(0, {str(PROJECT)!r})
import score_client
from db import results

moment, last_batch, marker, batch = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), 0

def die_at(this_moment):
    if (this_moment, batch) == (moment, last_batch):
        marker.write_text(moment)
        os.kill(os.getpid(), signal.SIGKILL)

store = results.store_scores

def store_and_count(*args):
    global batch
    batch += 1
    die_at("before")
    is_stored = store(*args)
    die_at("after")
    return is_stored

@event.listens_for(Engine, "commit")  # the rows are written, but COMMIT has not been sent
def committing(connection):
    die_at("during")

results.store_scores = store_and_count
sys.exit(score_client.main(sys.argv[4:]))
"""


def test_a_client_killed_before_during_or_after_a_commit_resumes(
    small_databases: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    tmp_path: Path,
) -> None:
    script, marker = tmp_path / "kills_itself.py", tmp_path / "marker"
    script.write_text(KILLS_ITSELF)
    flags = ("--database", small_databases, "--endpoint", champion, "--batch-size", BATCH)
    environment = {"MLFLOW_TRACKING_URI": trained.tracking_uri}
    stored_batches = 0
    for moment, batch in (("before", 3), ("during", 2), ("after", 4), ("during", 1)):
        arguments = (moment, batch, marker, *flags)
        done = run_script(str(script), *arguments, cwd=tmp_path, **environment)
        assert done.returncode == -signal.SIGKILL, (moment, batch, done.stderr)
        assert marker.read_text() == moment
        # the batch that was being committed is complete if COMMIT returned, and missing otherwise
        stored_batches += batch if moment == "after" else batch - 1
        assert count_scored(small_databases) == stored_batches * BATCH, (moment, batch)
    assert stored_batches == 7
    assert score(small_databases, champion) == 0
    assert_every_offer_scored_once(small_databases, trained.champion_id, small_offers)
    outcomes = Counter(row[0] for row in query(small_databases, "SELECT outcome FROM scoring_runs"))
    assert outcomes == {"running": 4, "finished": 1}


@pytest.fixture
def release(champion: str, endpoint: ScriptedEndpoint) -> Iterator[threading.Event]:
    """An event for which the endpoint waits before each response from the third on."""
    event = threading.Event()

    def script(request: Request) -> Response:
        if request.number > 2:
            event.wait(DEADLINE_SECONDS)
        return forward(champion, request.body)

    endpoint.script = script
    yield event
    event.set()


@contextmanager
def signaled_client(
    signal_number: signal.Signals, database: str, trained: TrainedStore, endpoint: ScriptedEndpoint
) -> Iterator[ScriptProcess]:
    """Run a client, and send it a signal when two batches are stored and two are in flight."""
    flags = ("--database", database, "--endpoint", endpoint.url)
    with start_script(
        "score_client.py",
        *flags,
        *("--batch-size", BATCH, "--in-flight", 2),
        cwd=trained.folder,
        MLFLOW_TRACKING_URI=trained.tracking_uri,
    ) as client:
        wait_for(
            lambda: len(endpoint.requests) == 4 and count_scored(database) == 2 * BATCH,
            "two batches to be stored and two to be in flight",
        )
        client.send_signal(signal_number)
        while "Finishing the work in progress" not in (line := client.stderr.readline()):
            assert line, "the client did not say that it is finishing"
        yield client


@STOPS
def test_the_first_signal_stores_what_is_in_flight_and_sums_up(
    signal_number: signal.Signals,
    exit_code: int,
    small_databases: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
    release: threading.Event,
) -> None:
    with signaled_client(signal_number, small_databases, trained, endpoint) as client:
        release.set()
        output, error = client.communicate()
        assert client.returncode == exit_code
    assert "Traceback" not in error
    assert len(endpoint.requests) == 4
    assert count_scored(small_databases) == 4 * BATCH
    counts = output.split("\n")[-3].split()  # selected, scored, rejected, pending, this run
    assert counts[:5] == [f"{small_offers:,}", "400", "0", f"{small_offers - 400:,}", "400"]
    runs = query(small_databases, "SELECT outcome, stored FROM scoring_runs")
    assert runs == [("interrupted", 4 * BATCH)]
    (run,) = trained.scoring_runs(small_databases)
    assert (run.info.status, run.data.tags["outcome"]) == ("KILLED", "interrupted")
    assert score(small_databases, champion) == 0
    assert_every_offer_scored_once(small_databases, trained.champion_id, small_offers)


@STOPS
def test_a_second_signal_stops_at_once(
    signal_number: signal.Signals,
    exit_code: int,
    small_databases: str,
    trained: TrainedStore,
    endpoint: ScriptedEndpoint,
    release: threading.Event,
) -> None:
    with signaled_client(signal_number, small_databases, trained, endpoint) as client:
        client.send_signal(signal_number)
        _, error = client.communicate()
        assert client.returncode == exit_code
    assert not release.is_set()
    assert "Traceback" not in error
    assert count_scored(small_databases) == 2 * BATCH
    runs = query(small_databases, "SELECT outcome, stored FROM scoring_runs")
    assert runs == [("interrupted", 2 * BATCH)]


def test_a_batch_whose_rows_a_load_has_changed_is_read_and_scored_again(
    small_databases: str, trained: TrainedStore, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as if the version had been trained on these rows
    ((identity,),) = query(trained.database, "SELECT id FROM database_info")
    execute(small_databases, f"UPDATE database_info SET id = '{identity}'")
    store, was_stored = results.store_scores, list[bool]()

    def store_after_a_load(*args: Any) -> bool:
        if not was_stored:
            execute(
                small_databases,
                "INSERT INTO loads VALUES (2, 'offer_click', 'elsewhere', '2030-01-01 00:00:00')",
                "UPDATE leads SET annual_income = 54321, load_id = 2",
            )
        was_stored.append(store(*args))
        return was_stored[-1]

    monkeypatch.setattr(results, "store_scores", store_after_a_load)
    assert score(small_databases, champion, "--limit", 400, "--batch-size", 400) == 0
    assert was_stored == [False, True]
    rows = query(small_databases, "SELECT DISTINCT annual_income, trained_on FROM results_clicked")
    assert rows == [(54321.0, 0)]

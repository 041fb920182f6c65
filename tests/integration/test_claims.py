"""Claims on rows: a run keeps them while its lease lasts, and stores nothing after losing them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Column, DateTime, Engine, MetaData, Table, insert, select, update
from sqlalchemy.exc import DBAPIError

import problems
from db import claims, results, runs
from db import engine as db_engine
from db.engine import database_url, is_transient, open_database
from db.results import Page
from db.runs import ScoringRun
from db.schema import create_tables
from db.tables import database_now, scoring_runs, utc_now
from scoring import run as scoring_run
from tests.support.databases import assert_scored_once_and_nothing_claimed
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward
from tests.support.scripts import start_script
from tests.support.trained import TrainedStore

SCORING = problems.load().scoring
CLAIMED = 150  # rows that a run on another machine has claimed


@pytest.fixture
def engine(small_databases: str) -> Iterator[Engine]:
    with open_database(database_url(small_databases)) as opened_engine:
        yield opened_engine


def claim_elsewhere(engine: Engine, trained: TrainedStore) -> tuple[ScoringRun, Page]:
    """Start a run on another machine with a new lease, and let it claim the first rows."""
    version = trained.version()
    runs.remember_version(
        engine, version.model_id, version.logged_model_id, version.registry, version.threshold
    )
    run = runs.start_run(engine, version.model_id, "http://elsewhere:5001")
    with engine.begin() as connection:
        statement = update(scoring_runs).where(scoring_runs.c.id == run.id)
        connection.execute(statement.values(host="elsewhere"))
    page = results.claim_page(engine, SCORING, run, None, CLAIMED)
    assert len(page) == CLAIMED
    return run, page


def set_seen_at(engine: Engine, run: ScoringRun, after: timedelta) -> None:
    """Set when a run last renewed its lease, relative to now."""
    with engine.begin() as connection:
        statement = update(scoring_runs).where(scoring_runs.c.id == run.id)
        connection.execute(statement.values(seen_at=database_now(connection) + after))


def expire_lease(engine: Engine, run: ScoringRun) -> None:
    """Make the last renewal of a run older than a lease."""
    set_seen_at(engine, run, -timedelta(seconds=claims.LEASE_SECONDS + 1))


def scored(page: Page) -> results.ScoredPage:
    rows = len(page)
    return results.ScoredPage(page, [0.5] * rows, ["Clicked"] * rows, [None] * rows)


def test_a_run_that_lost_its_claims_stores_nothing(
    small_databases: str, engine: Engine, trained: TrainedStore, small_offers: int
) -> None:
    away, lost_page = claim_elsewhere(engine, trained)
    expire_lease(engine, away)
    here = runs.start_run(engine, away.model_id, "http://here:5001")
    page = results.claim_page(engine, SCORING, here, None, 100_000)
    assert len(page) == small_offers
    assert not results.store_scores(engine, SCORING, away, scored(lost_page))
    assert not results.store_rejected(engine, SCORING, away, lost_page, "for no reason")
    counts = results.reconcile(engine, SCORING, away.model_id)
    assert (counts.scored, counts.rejected) == (0, 0)
    assert results.store_scores(engine, SCORING, here, scored(page))
    assert_scored_once_and_nothing_claimed(small_databases, away.model_id, small_offers)


def test_a_run_with_a_valid_lease_keeps_its_claims(
    engine: Engine, trained: TrainedStore, small_offers: int
) -> None:
    away, claimed_page = claim_elsewhere(engine, trained)
    here = runs.start_run(engine, away.model_id, "http://here:5001")
    page = results.claim_page(engine, SCORING, here, None, 100_000)
    assert len(page) == small_offers - CLAIMED
    keys = SCORING.key.name
    assert not set(page.columns[keys]) & set(claimed_page.columns[keys])
    assert results.store_scores(engine, SCORING, away, scored(claimed_page))


def test_a_lease_expires_even_if_the_clock_was_set_back(
    engine: Engine, trained: TrainedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, _ = claim_elsewhere(engine, trained)
    here = runs.start_run(engine, away.model_id, "http://here:5001")
    set_seen_at(engine, away, timedelta(days=1))
    assert claims.count_unfinished(engine, here) == 1
    monkeypatch.setattr(claims, "LEASE_SECONDS", 0.0)
    assert claims.count_unfinished(engine, here) == 1  # this call revokes it
    assert claims.count_unfinished(engine, here) == 0


@pytest.mark.parametrize("process", ["that has ended", "whose number is now ours"])
def test_claims_of_an_ended_process_on_this_machine_are_revoked_at_once(
    process: str, engine: Engine, trained: TrainedStore, small_offers: int
) -> None:
    earlier_run, _ = claim_elsewhere(engine, trained)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    pid = ended.pid if process == "that has ended" else os.getpid()
    with engine.begin() as connection:
        statement = update(scoring_runs).where(scoring_runs.c.id == earlier_run.id)
        connection.execute(statement.values(host=runs.HOST, pid=pid))
    here = runs.start_run(engine, earlier_run.model_id, "http://here:5001")
    assert len(results.claim_page(engine, SCORING, here, None, 100_000)) == small_offers


def test_a_client_waits_for_claims_of_another_machine_until_its_lease_expires(
    small_databases: str,
    engine: Engine,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    tmp_path: Path,
) -> None:
    away, _ = claim_elsewhere(engine, trained)
    flags = ("--database", small_databases, "--endpoint", champion)
    with start_script(
        "score_client.py", *flags, cwd=tmp_path, MLFLOW_TRACKING_URI=trained.tracking_uri
    ) as client:
        while "Other clients have claimed the last rows" not in (line := client.stderr.readline()):
            assert line, "the client did not say that it waits"
        counts = results.reconcile(engine, SCORING, away.model_id)
        assert (counts.scored, counts.pending) == (small_offers - CLAIMED, CLAIMED)
        expire_lease(engine, away)
        _, error = client.communicate()
        assert client.returncode == 0, error
    assert_scored_once_and_nothing_claimed(small_databases, away.model_id, small_offers)


@pytest.mark.parametrize("small_databases", ["postgresql"], indirect=True)
def test_a_client_that_hangs_during_a_transaction_does_not_block_others(
    small_databases: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(db_engine, "IDLE_SECONDS", 1)
    monkeypatch.setattr(scoring_run, "DATABASE_PAUSE", 0.05)
    with open_database(database_url(small_databases)) as engine:
        away, page = claim_elsewhere(engine, trained)
        expire_lease(engine, away)
        with engine.connect() as stopped:
            assert page.claim
            assert claims.is_held(stopped, page.claim)  # locks the claim
            assert score(small_databases, champion) == 0
            with pytest.raises(DBAPIError) as ended:
                stopped.scalar(select(1))
        assert is_transient(ended.value)
    assert_scored_once_and_nothing_claimed(small_databases, away.model_id, small_offers)


def test_max_rejected_includes_rows_that_other_clients_rejected(
    small_databases: str,
    engine: Engine,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    away, _ = claim_elsewhere(engine, trained)
    allowed, of_another = 14, 10
    part = results.claim_page(engine, SCORING, away, None, of_another)
    reject_once: list[Callable[[], bool]] = [
        lambda: results.store_rejected(engine, SCORING, away, part, "by another")
    ]
    canaries = len(trained.version().canary.rows)

    def script(request: Request) -> Response:
        if reject_once:
            assert reject_once.pop()()
        if request.rows.num_rows > canaries:
            return Response(400, "application/json", b'{"message": "x\\nError: no"}')
        return forward(champion, request.body)

    endpoint.script = script
    share = (allowed + 0.5) / small_offers
    assert score(small_databases, endpoint.url, "--batch-size", 1, "--max-rejected", share) == 5
    assert results.count_rejected(engine, SCORING, away.model_id) == allowed + 1
    reasons = results.rejection_reasons(engine, SCORING, away.model_id)
    assert reasons == {"by another": of_another, "no": allowed + 1 - of_another}
    assert "rejects more rows than --max-rejected allows" in capsys.readouterr().err


def test_rows_whose_keys_are_timestamps_can_be_claimed(database: str) -> None:
    moments = [utc_now() + timedelta(days=day) for day in range(5)]
    events = Table("events", MetaData(), Column("at", DateTime, primary_key=True))
    with open_database(database_url(database), create=True) as engine:
        with engine.begin() as connection:
            create_tables(connection, events.metadata)
            connection.execute(insert(events), [{"at": moment} for moment in moments])
        runs.remember_version(engine, "events/1", "m-1", "here", 0.5)
        run = runs.start_run(engine, "events/1", "http://here:5001")
        with engine.begin() as connection:
            claims.claim_keys(connection, run, moments[1:3])
            standing = claims.revoke_expired(connection, run).active
            free = select(events.c.at).where(*claims.exclude_claimed(events.c.at, standing))
            assert connection.scalars(free).all() == [moments[0], *moments[3:]]

"""A database that is locked or full while rows are being scored."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

import score_client
from db.engine import LOAD_LOCK_ID, database_url
from scoring import run as scoring_run
from tests.support.databases import (
    assert_every_offer_scored_once,
    count_scored,
    new_postgres_database,
    query,
)
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward
from tests.support.trained import TrainedStore
from tests.support.waiting import DEADLINE_SECONDS, wait_for


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_run, "DATABASE_PAUSE", 0.05)
    monkeypatch.setattr(score_client, "LOCK_SECONDS", 0.2)


def path_of(database: str) -> Path:
    return Path(str(database_url(database).database))


@contextmanager
def write_lock(database: str) -> Iterator[None]:
    path = path_of(database)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("from_the_start", [True, False])
def test_the_client_waits_for_a_locked_database(
    from_the_start: bool,
    small_database: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:
    requested, locked = threading.Event(), threading.Event()
    output: list[str] = []

    def client_noticed() -> bool:
        output.append(capfd.readouterr().err)
        return "database is locked" in "".join(output)

    def hold_the_lock() -> None:
        assert from_the_start or requested.wait(DEADLINE_SECONDS)
        with write_lock(small_database):
            locked.set()
            wait_for(client_noticed, "the client to notice")

    def script(request: Request) -> Response:
        requested.set()
        assert locked.wait(DEADLINE_SECONDS)
        return forward(champion, request.body)

    endpoint.script = script
    thread = threading.Thread(target=hold_the_lock)
    thread.start()
    assert not from_the_start or locked.wait(DEADLINE_SECONDS)
    assert score(small_database, endpoint.url) == 0
    thread.join()
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)


def test_a_database_locked_for_longer_than_max_wait_stops_with_one_error(
    small_database: str,
    champion: str,
    endpoint: ScriptedEndpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = path_of(small_database)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        def lock_it(request: Request) -> Response:
            if request.number == 1:
                other.execute("BEGIN IMMEDIATE")
            return forward(champion, request.body)

        endpoint.script = lock_it
        assert score(small_database, endpoint.url, "--max-wait", 0.5, "--in-flight", 1) == 2
    error = capfd.readouterr().err
    assert "cannot be used: database is locked" in error.splitlines()[-1]
    assert "Traceback" not in error
    assert count_scored(small_database) == 0
    assert score(small_database, champion) == 0


def test_a_full_database_stops_with_one_error_and_no_partial_batch(
    small_database: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ((pages,),) = query(small_database, "PRAGMA page_count")

    def limit_size(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 20}")

    event.listen(Engine, "connect", limit_size)
    try:
        flags = ("--max-wait", 0.5, "--batch-size", 100, "--in-flight", 1)
        assert score(small_database, champion, *flags) == 2
    finally:
        event.remove(Engine, "connect", limit_size)
    assert "cannot be used: database or disk is full" in capfd.readouterr().err.splitlines()[-1]
    assert count_scored(small_database) % 100 == 0
    assert 0 < count_scored(small_database) < small_offers
    assert query(small_database, "SELECT outcome, stored FROM scoring_runs") == [
        ("failed", count_scored(small_database))
    ]
    assert score(small_database, champion) == 0
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)


def test_a_postgresql_lock_or_a_cut_connection_is_retried(
    postgres: str,
    small_postgres_template: str,
    use_trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:
    database = new_postgres_database(postgres, small_postgres_template)
    output: list[str] = []

    def client_noticed() -> bool:
        output.append(capfd.readouterr().err)
        return "The database cannot be used now" in "".join(output)

    with psycopg.connect(database, autocommit=True) as other:

        def unlock_when_noticed() -> None:
            wait_for(client_noticed, "the client to notice the lock")
            other.execute("SELECT pg_advisory_unlock_all()")

        def script(request: Request) -> Response:
            if request.number == 1:  # as a load does
                other.execute("SELECT pg_advisory_lock(%s)", [LOAD_LOCK_ID])
                threading.Thread(target=unlock_when_noticed).start()
            if request.number == 3:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            return forward(champion, request.body)

        endpoint.script = script
        assert score(database, endpoint.url, "--batch-size", 200, "--in-flight", 1) == 0
    output.append(capfd.readouterr().err)
    assert "".join(output).count("The database cannot be used now") == 2
    assert_every_offer_scored_once(database, use_trained.champion_id, small_offers)

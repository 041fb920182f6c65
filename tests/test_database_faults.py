"""A database that is locked or full while rows are being scored."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

import ingest
from db.engine import LOADER_LOCK, database_url, opened
from tests.helpers import (
    SAMPLE_OFFERS,
    Trained,
    assert_every_offer_once,
    champion_id,
    new_postgres_database,
    query,
    run_main,
    score,
    stored,
    wait_for,
)
from tests.misbehaving import Answer, Misbehaving, Request, relay


@contextmanager
def write_lock(database: Path) -> Iterator[None]:
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as c:
        c.execute("BEGIN IMMEDIATE")
        yield
        c.execute("ROLLBACK")


@pytest.mark.parametrize("from_the_start", [True, False])
def test_a_locked_database_is_waited_for(
    from_the_start: bool,
    loaded_file: Path,
    trained: Trained,
    champion: str,
    misbehaving: Misbehaving,
    capfd: pytest.CaptureFixture[str],
) -> None:
    asked, locked = threading.Event(), threading.Event()
    said: list[str] = []

    def client_noticed() -> bool:
        said.append(capfd.readouterr().err)
        return "database is locked" in "".join(said)

    def hold_the_lock() -> None:
        assert from_the_start or asked.wait(60)
        with write_lock(loaded_file):
            locked.set()
            wait_for(client_noticed, "the client to notice")

    def script(request: Request) -> Answer:
        asked.set()
        assert locked.wait(60)
        return relay(champion, request.body)

    misbehaving.script = script
    thread = threading.Thread(target=hold_the_lock)
    thread.start()
    assert not from_the_start or locked.wait(60)
    assert score(loaded_file, misbehaving.url) == 0
    thread.join()
    assert_every_offer_once(loaded_file, champion_id(trained))


def test_a_database_locked_for_longer_than_max_wait_stops_with_one_sentence(
    loaded_file: Path, champion: str, misbehaving: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(
        sqlite3.connect(loaded_file, isolation_level=None, check_same_thread=False)
    ) as other:

        def lock_it(request: Request) -> Answer:
            if request.number == 1:
                other.execute("BEGIN IMMEDIATE")
            return relay(champion, request.body)

        misbehaving.script = lock_it
        assert score(loaded_file, misbehaving.url, "--max-wait", 1, "--in-flight", 1) == 2
    error = capfd.readouterr().err
    assert "cannot be used: database is locked" in error.splitlines()[-1]
    assert "Traceback" not in error
    assert stored(loaded_file) == 0
    assert score(loaded_file, champion) == 0


def test_a_full_database_stops_with_one_sentence_and_nothing_half_stored(
    loaded_file: Path, trained: Trained, champion: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ((pages,),) = query(loaded_file, "PRAGMA page_count")

    def bound(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 400}")

    event.listen(Engine, "connect", bound)
    try:
        flags = ("--max-wait", 1, "--batch-size", 3000, "--in-flight", 1)
        assert score(loaded_file, champion, *flags) == 2
    finally:
        event.remove(Engine, "connect", bound)
    assert "cannot be used: database or disk is full" in capfd.readouterr().err.splitlines()[-1]
    assert stored(loaded_file) % 3000 == 0
    assert 0 < stored(loaded_file) < SAMPLE_OFFERS
    assert query(loaded_file, "SELECT outcome, stored FROM scoring_runs") == [
        ("failed", stored(loaded_file))
    ]
    assert score(loaded_file, champion) == 0
    assert_every_offer_once(loaded_file, champion_id(trained))


def test_postgresql_that_is_locked_or_cuts_the_connection_is_tried_again(
    postgres: str,
    small_source: Path,
    trained: Trained,
    champion: str,
    misbehaving: Misbehaving,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    database = new_postgres_database(postgres)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    run_main(ingest.main, "--source", small_source, "--database", database)
    with psycopg.connect(database, autocommit=True) as other:

        def script(request: Request) -> Answer:
            if request.number == 1:  # as a load does; longer than the client waits for one lock
                other.execute("SELECT pg_advisory_lock(%s)", [LOADER_LOCK])
                threading.Timer(4, other.execute, ["SELECT pg_advisory_unlock_all()"]).start()
            if request.number == 3:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            return relay(champion, request.body)

        misbehaving.script = script
        assert score(database, misbehaving.url, "--batch-size", 200, "--in-flight", 1) == 0
    assert capfd.readouterr().err.count("The database cannot be used now") == 2
    with opened(database_url(database)) as engine, engine.connect() as connection:
        (counts,) = connection.execute(
            text("SELECT count(*), count(DISTINCT offer_id), (SELECT count(*) FROM offers) "
                 "FROM results_clicked")
        )  # fmt: skip
    assert counts[0] == counts[1] == counts[2] > 0

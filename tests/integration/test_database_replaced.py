"""The file of a SQLite database is deleted or replaced while a process has it open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

import ingest
import problems
from db import entries, loading
from db.engine import (
    DatabaseError,
    database_url,
    open_database,
    read_transaction,
    translate_database_errors,
)
from tests.support.databases import all_rows, copy_sqlite, count_scored
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward
from tests.support.source_files import load_source
from tests.support.trained import TrainedStore

SENTENCE = "was deleted or replaced"


def replace_by_copy(path: Path) -> None:
    copy_sqlite(path, path.with_name("copy.db")).rename(path)


REMOVALS = [Path.unlink, replace_by_copy]


def database_path(database: str) -> Path:
    return Path(str(database_url(database).database))


def assert_one_sentence(error: str) -> None:
    last_line = error.splitlines()[-1]
    assert last_line.startswith("error: The database ")
    assert SENTENCE in last_line
    assert "Traceback" not in error


@pytest.mark.parametrize("remove", REMOVALS)
def test_a_load_ends_with_an_error(
    remove: Callable[[Path], None],
    source: Path,
    sqlite_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert load_source(source, sqlite_database) == 0
    before = all_rows(sqlite_database)

    def remove_and_load(*args: Any) -> object:
        remove(database_path(sqlite_database))
        return loading.load_files(*args)

    monkeypatch.setattr(ingest, "load_files", remove_and_load)
    assert load_source(source, sqlite_database) == 2
    assert_one_sentence(capfd.readouterr().err)
    assert all_rows(sqlite_database) == (before if remove is replace_by_copy else {})


@pytest.mark.parametrize("remove", REMOVALS)
def test_the_client_ends_with_an_error(
    remove: Callable[[Path], None],
    small_database: str,
    champion: str,
    endpoint: ScriptedEndpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def script(request: Request) -> Response:
        if request.number == 2:
            remove(database_path(small_database))
        return forward(champion, request.body)

    endpoint.script = script
    assert score(small_database, endpoint.url, "--batch-size", 200, "--in-flight", 1) == 2
    assert_one_sentence(capfd.readouterr().err)
    if remove is replace_by_copy:  # the copy contains the first batch
        assert count_scored(small_database) == 200
        assert score(small_database, champion) == 0


@pytest.mark.parametrize("remove", REMOVALS)
def test_the_form_stores_nothing_and_reports_it(
    remove: Callable[[Path], None], small_database: str, use_trained: TrainedStore
) -> None:
    url, scoring = database_url(small_database), problems.load().scoring

    def store(engine: Engine) -> None:
        row = {feature: [None] for feature in scoring.results.value_columns}
        with translate_database_errors(url):  # as the form does
            entries.store_entries(engine, scoring, use_trained.champion_id, row, [0.5], ["No"])

    def open_and_remove() -> None:
        with open_database(url) as engine:
            remove(database_path(small_database))
            with pytest.raises(DatabaseError, match=SENTENCE):
                store(engine)

    with pytest.raises(DatabaseError, match=SENTENCE):
        open_and_remove()


@pytest.mark.parametrize("remove", REMOVALS)
def test_a_process_that_only_reads_ends_with_an_error(
    remove: Callable[[Path], None], small_database: str
) -> None:
    def read_and_remove() -> None:
        with open_database(database_url(small_database)) as engine:
            with read_transaction(engine) as connection:
                connection.exec_driver_sql("SELECT * FROM offers").all()
            remove(database_path(small_database))

    with pytest.raises(DatabaseError, match=SENTENCE):
        read_and_remove()
    assert database_path(small_database).exists() == (remove is replace_by_copy)

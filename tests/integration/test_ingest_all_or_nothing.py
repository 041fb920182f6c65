"""A load that is killed or fails leaves the database unchanged."""

import contextlib
import os
import signal
from pathlib import Path
from typing import NoReturn

import pytest

import ingest
import problems
from db import loading
from db.engine import database_url, open_database, write_transaction
from db.readers import SourceError, open_sources
from db.staging import LoadRequest
from tests.support.databases import all_rows
from tests.support.scripts import FORKS
from tests.support.source_files import LEADS, OFFERS, edit_parquet, load_source, set_value


def load_and_kill_itself(source: Path, database: str) -> None:
    """Load in this process, and kill it once all leads and offers are staged."""
    problem = problems.load()
    files = open_sources(source, problem.sources)
    rows_left = sum(file.row_count for file in files[:2])  # all but the clicks

    def advance(count: int) -> None:
        nonlocal rows_left
        rows_left -= count
        if rows_left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    request = LoadRequest(problem.name, problem.scoring, str(source), add=True, max_rejected=0.0)
    with open_database(database_url(database)) as engine:
        loading.load_files(engine, request, files, advance)


def test_a_killed_load_leaves_the_database_unchanged(source: Path, database: str) -> None:
    load_source(source, database)
    before = all_rows(database)
    edit_parquet(source, LEADS, set_value("annual_income", 0, 1.0))
    process = FORKS.Process(target=load_and_kill_itself, args=(source, database))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert all_rows(database) == before
    assert load_source(source, database) == 0


def test_a_file_damaged_in_the_middle_leaves_the_database_unchanged(
    source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load_source(source, database)
    before = all_rows(database)
    content = bytearray((source / OFFERS).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (source / OFFERS).write_bytes(content)
    edit_parquet(source, LEADS, set_value("annual_income", 0, 1.0))  # loaded, then rolled back
    assert load_source(source, database) == 2
    assert f"{OFFERS} is damaged" in capfd.readouterr().err
    assert all_rows(database) == before


def test_too_many_invalid_rows_leave_the_database_unchanged(
    source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load_source(source, database)
    before = all_rows(database)
    edit_parquet(source, OFFERS, lambda f: f.assign(apr=f["apr"].where(f.index % 40 > 0, -1.0)))
    edit_parquet(source, LEADS, set_value("annual_income", 0, 1.0))
    assert load_source(source, database) == 2
    error = capfd.readouterr().err
    assert "More than 1.00%" in error
    assert "apr is negative" in error
    assert "--max-rejected" in error
    assert all_rows(database) == before
    assert load_source(source, database, "--max-rejected", 0.1) == 0


def test_too_many_invalid_rows_leave_no_new_database(source: Path, tmp_path: Path) -> None:
    edit_parquet(source, OFFERS, lambda f: f.assign(apr=-1.0))
    assert load_source(source, f"sqlite:///{tmp_path / 'new.db'}") == 2
    assert list(tmp_path.glob("new.db*")) == []


def test_a_failed_load_does_not_remove_a_new_database_that_another_load_uses(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    with contextlib.ExitStack() as stack:

        def fail_during_another_load(*_: object) -> NoReturn:
            engine = stack.enter_context(open_database(database_url(database), create=True))
            other = stack.enter_context(write_transaction(engine))
            other.exec_driver_sql("CREATE TABLE offers (offer_id)")
            raise SourceError("The file is damaged.")

        monkeypatch.setattr(ingest, "load_files", fail_during_another_load)
        assert load_source(source, database) == 2
    assert list(all_rows(database)) == ["offers"]

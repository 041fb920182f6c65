"""Database errors: which are reported in one sentence, and which are retried."""

import sqlite3
import threading
import time

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from db.engine import DatabaseError, database_url, translate_database_errors
from scoring.run import DATABASE_PAUSE, RunControl

URL = database_url("test.db")


def sqlite_error(code: int, text: str) -> OperationalError:
    original = sqlite3.OperationalError(text)
    original.sqlite_errorcode = code
    return OperationalError("SELECT 1", {}, original)


LOCKED = sqlite_error(sqlite3.SQLITE_BUSY, "database is locked")
BROKEN = sqlite_error(sqlite3.SQLITE_IOERR, "disk I/O error")


@pytest.mark.parametrize("error", [LOCKED, BROKEN])
def test_an_error_of_the_database_is_reported_in_one_sentence(error: DBAPIError) -> None:
    with (
        pytest.raises(DatabaseError, match=r"sqlite:///test\.db cannot be used: .*\.$"),
        translate_database_errors(URL),
    ):
        raise error


@pytest.mark.parametrize("kind", [ProgrammingError, IntegrityError])
def test_an_error_in_our_own_statements_passes_through(kind: type[DBAPIError]) -> None:
    with pytest.raises(kind), translate_database_errors(URL):
        raise kind("SELECT", {}, sqlite3.ProgrammingError("no such column"))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between retries, recorded instead of slept."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def run_patiently(errors: list[DBAPIError], max_wait: float = 60) -> tuple[str, list[str]]:
    """Run work that fails with each of these errors first; return its result and the messages."""
    messages: list[str] = []

    def work() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    watch = RunControl(threading.Event(), max_wait, notify=messages.append)
    return watch.retry_database(work), messages


def test_a_locked_database_is_retried_after_pauses_and_reported_once(
    pauses: list[float],
) -> None:
    result, messages = run_patiently([LOCKED, LOCKED, LOCKED])
    assert result == "done"
    assert messages == ["The database cannot be used now (database is locked). Trying again ..."]
    assert pauses == [DATABASE_PAUSE] * 3
    assert DATABASE_PAUSE > 0


def test_nothing_is_reported_without_an_error(pauses: list[float]) -> None:
    assert run_patiently([]) == ("done", [])
    assert pauses == []


def test_an_error_that_is_not_transient_is_raised_at_once(pauses: list[float]) -> None:
    with pytest.raises(OperationalError, match="disk I/O"):
        run_patiently([BROKEN])
    assert pauses == []


def test_retries_end_when_the_database_is_locked_for_longer_than_max_wait(
    pauses: list[float],
) -> None:
    with pytest.raises(OperationalError, match="locked"):
        run_patiently([LOCKED], max_wait=-1)
    assert pauses == []

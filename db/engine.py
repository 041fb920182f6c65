"""Open SQLite and PostgreSQL databases with SQLAlchemy."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from cli import UserError, one_line
from db.sqlite_file import DatabaseFile

POSTGRESQL_DRIVERS = ("postgresql", "postgresql+psycopg")
DRIVERS = ("sqlite", "sqlite+pysqlite", *POSTGRESQL_DRIVERS)
DEFAULT_URL = "sqlite:///even_financial.db"
LOAD_LOCK_ID = 7_305_001  # an arbitrary number: the key of PostgreSQL's advisory lock for loads
LOCK_SECONDS = 60.0  # how long a statement waits for another process's lock
CONNECT_SECONDS = 10  # how long a connection to PostgreSQL may take, unless the URL says otherwise
IDLE_SECONDS = 60  # PostgreSQL ends a session that is idle in a transaction for this long
# Errors that may go away: locked, full, restarting, deadlock, idle for too long.
TRANSIENT_SQLITE_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}
TRANSIENT_SQLSTATES = ("08", "25P03", "40", "53", "55P03", "57P")
INSUFFICIENT_PRIVILEGE = "42501"


class DatabaseError(UserError):
    """The database cannot be used."""


def database_url(text: str = "") -> URL:
    """Return the URL of the database: `text`, else `DATABASE_URL`, else the default file.

    A text without `://` is the path of a SQLite file.

    Raises:
        DatabaseError: the text is not a valid URL, or not one of a supported database.
    """
    text = text or os.environ.get("DATABASE_URL") or DEFAULT_URL
    if "://" not in text:
        text = URL.create("sqlite", database=text).render_as_string()
    elif text.startswith("postgres://"):  # the older spelling, which some hosts still use
        text = text.replace("postgres://", "postgresql://", 1)
    try:
        url = make_url(text)
        backend = url.get_dialect().name
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
    scheme = text.partition("://")[0]
    if backend not in ("sqlite", "postgresql") or url.drivername not in DRIVERS:
        if scheme in POSTGRESQL_DRIVERS:
            raise DatabaseError(
                f"The {scheme} URL cannot be parsed: use the form postgresql://user@host:port/name "
                "and, in a user or password, write @ as %40, : as %3A and / as %2F."
            )
        raise DatabaseError(
            f"The database type {scheme!r} is not supported: use sqlite:///file.db, the path of "
            "a file, or postgresql://user@host/name."
        )
    if "@" in (url.host or ""):
        raise DatabaseError(f"The {scheme} URL contains an extra @: write @ in a password as %40.")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise DatabaseError("An in-memory database does not outlive a script: use a file instead.")
    if "password" in url.query:  # SQLAlchemy would not hide it there
        url = url.difference_update_query(["password"]).set(password=str(url.query["password"]))
    return url


@contextmanager
def open_database(
    url: URL,
    *,
    create: bool = False,
    lock_seconds: float = LOCK_SECONDS,
    enforce_references: bool = True,
) -> Iterator[Engine]:
    """Connect to the database and yield an engine for it.

    With `create`, a missing SQLite file is created. If the body fails, a created file that has no
    table is removed, unless another process has it open. A statement waits up to `lock_seconds`
    for another process's lock. Callers that check foreign keys themselves can turn SQLite's
    row-by-row check off with `enforce_references`.

    Raises:
        DatabaseError: the file does not exist, the database cannot be used, or the SQLite file
            was deleted or replaced while it was open.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    file = _database_file(Path(str(url.database)), create) if is_sqlite else None
    has_timeout = is_sqlite or "connect_timeout" in url.query
    connect_args = {} if has_timeout else {"connect_timeout": CONNECT_SECONDS}
    # hide_parameters: error messages must not show personal data
    engine = create_engine(url, hide_parameters=True, connect_args=connect_args)
    milliseconds = round(lock_seconds * 1000)
    if file is None:
        event.listen(engine, "connect", partial(_prepare_postgresql, milliseconds))
    else:
        file.watch(engine)
        event.listen(engine, "connect", partial(_prepare_sqlite, milliseconds, enforce_references))
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with translate_database_errors(url):
            engine.connect().close()
            yield engine
            if file is not None:
                file.check()
    except BaseException:
        engine.dispose()
        if file is not None:
            file.remove_if_empty()
        raise
    finally:
        engine.dispose()


def _database_file(path: Path, create: bool) -> DatabaseFile:
    try:
        if not path.parent.is_dir():
            raise DatabaseError(f"There is no folder {path.parent} for the database {path.name}.")
        if not create and not path.exists():
            raise DatabaseError(
                f"There is no database at {path}: load one with `python ingest.py`, "
                "or name another with --database."
            )
        return DatabaseFile(path, create=create)
    except OSError as error:
        raise DatabaseError(
            f"The database {path} cannot be opened ({error.strerror}): name another with "
            "--database."
        ) from error


@contextmanager
def translate_database_errors(url: URL) -> Iterator[None]:
    """Raise errors of the database (unreachable, locked, full, forbidden) as `DatabaseError`.

    Errors of our own statements (`ProgrammingError`, `IntegrityError`) are bugs and pass through.
    """
    try:
        yield
    except DBAPIError as error:
        # Compare the exact class: subclasses such as IntegrityError mean a faulty statement.
        is_bug = type(error).__name__ not in ("OperationalError", "DatabaseError")
        is_forbidden = getattr(error.orig, "sqlstate", None) == INSUFFICIENT_PRIVILEGE
        is_connecting = error.statement is None  # for example with an unknown connection option
        if is_bug and not (is_forbidden or is_connecting or is_transient(error)):
            raise
        reason = one_line(str(error.orig)).rstrip("?")
        name = url.render_as_string(hide_password=True)
        raise DatabaseError(f"The database {name} cannot be used: {reason}.") from error


def is_transient(error: DBAPIError) -> bool:
    """Return whether a retry may succeed: the database is locked, full or restarting."""
    if isinstance(error.orig, sqlite3.Error):
        # errors that the driver itself raises have no code
        code: int = getattr(error.orig, "sqlite_errorcode", 0)
        return code & 0xFF in TRANSIENT_SQLITE_CODES
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None:  # the error does not come from the server
        return error.connection_invalidated or type(error).__name__ == "OperationalError"
    return state.startswith(TRANSIENT_SQLSTATES)


@contextmanager
def read_transaction(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction in which every select sees the state as of the first one."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # on SQLite this is the default
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that commits all of its changes, or none if the body fails.

    On SQLite it takes the write lock at once. A transaction that starts with a read would fail,
    without waiting, if another process wrote in the meantime.
    """
    with engine.connect() as connection:
        connection = connection.execution_options(takes_write_lock=True)
        with connection.begin():
            yield connection


def acquire_load_lock(connection: Connection, *, exclusive: bool = False) -> None:
    """Block loads until this transaction ends; `exclusive` blocks storing results as well.

    SQLite allows only one writer, so `write_transaction` already has this effect.
    """
    if connection.dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock if exclusive else func.pg_advisory_xact_lock_shared
        connection.execute(select(lock(LOAD_LOCK_ID)))


def dialect_insert(connection: Connection):  # type: ignore[no-untyped-def]
    """Return the `insert` of the connection's dialect, which supports ON CONFLICT."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _prepare_postgresql(milliseconds: int, dbapi_connection, _record) -> None:  # type: ignore[no-untyped-def]
    dbapi_connection.execute(f"SET lock_timeout = {milliseconds:d}")
    dbapi_connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS:d}s'")
    dbapi_connection.commit()


def _prepare_sqlite(milliseconds: int, references: bool, dbapi_connection, _record) -> None:  # type: ignore[no-untyped-def]
    dbapi_connection.isolation_level = None  # SQLAlchemy's event begins transactions, not sqlite3
    for pragma in (
        f"busy_timeout={milliseconds:d}",
        "journal_mode=WAL",  # readers and a writer do not block each other
        "synchronous=NORMAL",  # safe if the process is killed; a power cut may lose the last batch
        f"foreign_keys={references:d}",
        "cache_size=-16000",  # KiB; the default of 2,000 KiB makes SQLite read pages repeatedly
    ):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    lock = connection.get_execution_options().get("takes_write_lock")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if lock else "BEGIN")

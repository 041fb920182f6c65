"""From a database's address to a SQLAlchemy engine, on SQLite or PostgreSQL."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from cli import UserError
from db.sqlite_file import DatabaseFile

POSTGRESQL_DRIVERS = ("postgresql", "postgresql+psycopg")
DRIVERS = ("sqlite", "sqlite+pysqlite", *POSTGRESQL_DRIVERS)
DEFAULT_URL = "sqlite:///even_financial.db"
LOAD_LOCK_ID = 7_305_001  # any number of ours: PostgreSQL's advisory lock of loads
LOCK_SECONDS = 60.0  # how long to wait for another process's lock
CONNECT_SECONDS = 10  # how long to wait for PostgreSQL, if its address does not say
# after which PostgreSQL ends a session that stopped in the middle of a transaction, with its locks
IDLE_SECONDS = 60
# SQLite's codes and PostgreSQL's classes of states that pass: locked, full, restarting, deadlock,
# idle for too long
PASSING_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}
NOT_ALLOWED = "42501"
PASSING_STATES = ("08", "25P03", "40", "53", "55P03", "57P")


class DatabaseError(UserError):
    """The database cannot be used as asked."""


def database_url(given: str = "") -> URL:
    """The address from the argument, else `DATABASE_URL`, else the default file.

    A text without `://` is the path of a SQLite file.

    Raises:
        DatabaseError: it is no address, or of a database other than the two supported.
    """
    text = given or os.environ.get("DATABASE_URL") or DEFAULT_URL
    if "://" not in text:
        text = URL.create("sqlite", database=text).render_as_string()
    elif text.startswith("postgres://"):  # the older spelling, still handed out by hosts
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
                f"The {scheme} address cannot be read: give postgresql://user@host:port/name; in a "
                "user or password write @ as %40, : as %3A and / as %2F."
            )
        raise DatabaseError(
            f"The address of kind {scheme!r} is not one of a database that is supported: give "
            "sqlite:///file.db, a file's path or postgresql://user@host/name."
        )
    if "@" in (url.host or ""):
        raise DatabaseError(f"The {scheme} address has an @ too many: in a password write it %40.")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise DatabaseError("A database in memory is gone after one step: give a file's path.")
    if "password" in url.query:  # where nothing would hide it
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
    """An engine for the body, whose database was reached; `create` makes a missing SQLite file.

    If the body fails, a file that was made and has no table is removed, unless another process has
    it open. A statement waits for another process's lock for `lock_seconds` and then fails. Whoever
    checks references between tables himself can save SQLite doing so row by row.

    Raises:
        DatabaseError: there is no such file, or the database cannot be used, now or in the body;
            or the SQLite file was deleted or replaced during the body.
    """
    file = _file(Path(str(url.database)), create) if url.get_backend_name() == "sqlite" else None
    patience = {"connect_timeout": CONNECT_SECONDS}
    if url.get_backend_name() == "sqlite" or patience.keys() <= url.query.keys():
        patience = {}
    # errors must not show people's data
    engine = create_engine(url, hide_parameters=True, connect_args=patience)
    milliseconds = round(lock_seconds * 1000)
    if file is None:
        event.listen(engine, "connect", partial(_prepare_postgresql, milliseconds))
    else:
        file.watch(engine)
        prepare = partial(_prepare_sqlite, milliseconds, enforce_references)
        event.listen(engine, "connect", prepare)
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


def _file(path: Path, create: bool) -> DatabaseFile:
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
    """Turn the database's own errors (unreachable, locked, full, forbidden) into a sentence.

    Faults of our own statements (`ProgrammingError`, `IntegrityError`) pass through as bugs.
    """
    try:
        yield
    except DBAPIError as error:
        # exactly these two classes: the others, their subclasses, say that a statement is wrong
        ours = type(error).__name__ not in ("OperationalError", "DatabaseError")
        not_allowed = getattr(error.orig, "sqlstate", None) == NOT_ALLOWED
        connecting = error.statement is None  # with an option that it does not know
        if ours and not (not_allowed or connecting or is_transient(error)):
            raise
        reason = " ".join(str(error.orig).split()).rstrip(".?")
        shown = url.render_as_string(hide_password=True)
        raise DatabaseError(f"The database {shown} cannot be used: {reason}.") from error


def is_transient(error: DBAPIError) -> bool:
    """May the same statement succeed later: is the database locked, full, or restarting."""
    if isinstance(error.orig, sqlite3.Error):
        # an error of the driver itself has no code
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in PASSING_CODES
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # not the server's word
        return error.connection_invalidated or type(error).__name__ == "OperationalError"
    return state.startswith(PASSING_STATES)


@contextmanager
def read_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction whose selects all see the database as it was at the first of them."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # on SQLite every transaction does
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: all of it is committed, or none.

    On SQLite it takes the write lock at once: a transaction that starts with a read fails when
    another writer came between, however long it waits.
    """
    with engine.connect() as connection:
        connection = connection.execution_options(takes_write_lock=True)
        with connection.begin():
            yield connection


def acquire_load_lock(connection: Connection, *, loading: bool = False) -> None:
    """Until this transaction ends no load comes between; `loading` keeps out stores as well.

    On SQLite, which has one writer, `writing` does that already.
    """
    if connection.dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock if loading else func.pg_advisory_xact_lock_shared
        connection.execute(select(lock(LOAD_LOCK_ID)))


def dialect_insert(connection: Connection):  # type: ignore[no-untyped-def]
    """The `insert` of this connection's dialect: both know ON CONFLICT, by the same methods."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _prepare_postgresql(milliseconds: int, dbapi_connection, _record) -> None:  # type: ignore[no-untyped-def]
    dbapi_connection.execute(f"SET lock_timeout = {milliseconds:d}")
    dbapi_connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS:d}s'")
    dbapi_connection.commit()


def _prepare_sqlite(milliseconds: int, references: bool, dbapi_connection, _record) -> None:  # type: ignore[no-untyped-def]
    dbapi_connection.isolation_level = None  # we begin transactions, not the driver
    for pragma in (
        f"busy_timeout={milliseconds:d}",
        "journal_mode=WAL",  # readers and a writer do not block each other
        "synchronous=NORMAL",  # safe against a killed process; a power cut may cost the last batch
        f"foreign_keys={references:d}",
        "cache_size=-16000",  # KiB; the default of 2,000 is read from the disk again and again
    ):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    lock = connection.get_execution_options().get("takes_write_lock")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if lock else "BEGIN")

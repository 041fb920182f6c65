"""Make the tables of a database, check them, and bring those of an earlier release up to date."""

import uuid

from sqlalchemy import Connection, Engine, MetaData, func, insert, inspect, select, update
from sqlalchemy.exc import ProgrammingError

from cli.terminal import print_message
from db.engine import DatabaseError, acquire_load_lock, write_transaction
from db.tables import common_metadata, database_info, utc_now

SCHEMA_VERSION = 2


def create_tables(connection: Connection, problem_tables: MetaData) -> None:
    """Make what is missing, within the caller's transaction, and bring the rest up to date.

    Raises:
        DatabaseError: a table is there already, but made for something else, or by a later release.
    """
    _bring_up_to_date(connection)
    common_metadata.create_all(connection)
    problem_tables.create_all(connection)
    _require_columns(connection, problem_tables)
    if connection.scalar(select(func.count()).select_from(database_info)) == 0:
        info = {"id": str(uuid.uuid4()), "schema_version": SCHEMA_VERSION, "created_at": utc_now()}
        connection.execute(insert(database_info), info)


def require_tables(engine: Engine, problem_tables: MetaData) -> None:
    """Make sure that the database was loaded; an earlier release's is brought up to date.

    Raises:
        DatabaseError: a table or a column is missing, or the schema is a later release's.
    """
    with engine.connect() as connection:
        version = _version(connection)
    if version not in (None, SCHEMA_VERSION):
        with write_transaction(engine) as connection:
            acquire_load_lock(connection, loading=True)
            _bring_up_to_date(connection)
    there = set(inspect(engine).get_table_names())
    if missing := {*common_metadata.tables, *problem_tables.tables} - there:
        raise DatabaseError(
            f"The database {_shown(engine)} has no table {min(missing)}: load it with "
            "`python ingest.py` and the same --problem, or name another with --database."
        )
    with engine.connect() as connection:
        _require_columns(connection, problem_tables)


def _bring_up_to_date(connection: Connection) -> None:
    """Do all steps from the database's schema to ours, within the caller's transaction.

    Raises:
        DatabaseError: its schema is a later release's, or its tables are not ours to change.
    """
    version, shown = _version(connection), _shown(connection.engine)
    if version is None:
        return
    if version > SCHEMA_VERSION:
        raise DatabaseError(
            f"The database {shown} has schema {version}, of a later release than this one, which "
            f"knows {SCHEMA_VERSION}: use that release, or another --database."
        )
    if version == SCHEMA_VERSION:
        return
    from db import migrations  # here, as it takes a tenth of a second that others need not wait

    try:
        migrations.run_steps(connection, range(version, SCHEMA_VERSION))
    except ProgrammingError as error:
        reason = " ".join(str(error.orig).split())
        raise DatabaseError(
            f"The database {shown} has schema {version} and could not be brought to "
            f"{SCHEMA_VERSION} ({reason}): run this once as the owner of its tables."
        ) from error
    connection.execute(update(database_info).values(schema_version=SCHEMA_VERSION))
    print_message(f"Bringing {shown} up to date: from schema {version} to {SCHEMA_VERSION}.")


def _version(connection: Connection) -> int | None:
    """The schema's; None if there is none yet."""
    if not inspect(connection).has_table(database_info.name):
        return None
    return connection.scalar(select(database_info.c.schema_version))


def _require_columns(connection: Connection, problem_tables: MetaData) -> None:
    """The problem may have changed since its tables were made."""
    inspector = inspect(connection)
    for name, table in problem_tables.tables.items():
        there = {column["name"] for column in inspector.get_columns(name)}
        if missing := [c.name for c in table.columns if c.name not in there]:
            raise DatabaseError(
                f"Table {name} of this database has no column {', '.join(missing)}: it was made "
                "for something else; load the source files into a new database with --database."
            )


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)

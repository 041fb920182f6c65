"""Create, check and upgrade the tables of a database."""

import uuid

from sqlalchemy import Connection, Engine, MetaData, func, insert, inspect, select, update
from sqlalchemy.exc import ProgrammingError

from cli import one_line
from cli.terminal import print_message
from db.engine import DatabaseError, acquire_load_lock, write_transaction
from db.tables import common_metadata, database_info, utc_now

SCHEMA_VERSION = 2


def create_tables(connection: Connection, problem_tables: MetaData) -> None:
    """Create missing tables and upgrade the others, within the caller's transaction.

    Raises:
        DatabaseError: a table lacks columns, or the schema is that of a later release.
    """
    _upgrade(connection)
    common_metadata.create_all(connection)
    problem_tables.create_all(connection)
    _require_columns(connection, problem_tables)
    if connection.scalar(select(func.count()).select_from(database_info)) == 0:
        info = {"id": str(uuid.uuid4()), "schema_version": SCHEMA_VERSION, "created_at": utc_now()}
        connection.execute(insert(database_info), info)


def require_tables(engine: Engine, problem_tables: MetaData) -> None:
    """Check that the database has all tables, and upgrade one of an earlier release.

    Raises:
        DatabaseError: a table or column is missing, or the schema is that of a later release.
    """
    with engine.connect() as connection:
        version = _schema_version(connection)
    if version not in (None, SCHEMA_VERSION):
        with write_transaction(engine) as connection:
            acquire_load_lock(connection, exclusive=True)
            _upgrade(connection)
    existing_tables = set(inspect(engine).get_table_names())
    if missing := {*common_metadata.tables, *problem_tables.tables} - existing_tables:
        raise DatabaseError(
            f"The database {_display_name(engine)} has no table {min(missing)}: load it with "
            "`python ingest.py` and the same --problem, or name another with --database."
        )
    with engine.connect() as connection:
        _require_columns(connection, problem_tables)


def _upgrade(connection: Connection) -> None:
    """Run the migrations up to our schema version, within the caller's transaction.

    Raises:
        DatabaseError: the schema is that of a later release, or this user may not change it.
    """
    version, name = _schema_version(connection), _display_name(connection.engine)
    if version is None or version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise DatabaseError(
            f"The database {name} has schema version {version} of a later release, but this "
            f"release supports {SCHEMA_VERSION}: use that release, or another --database."
        )
    from db import migrations  # imported only here, because it takes 0.1 s

    try:
        migrations.run_steps(connection, range(version, SCHEMA_VERSION))
    except ProgrammingError as error:
        raise DatabaseError(
            f"The database {name} could not be upgraded from schema version {version} to "
            f"{SCHEMA_VERSION} ({one_line(str(error.orig))}): run this once as the owner of its "
            "tables."
        ) from error
    connection.execute(update(database_info).values(schema_version=SCHEMA_VERSION))
    print_message(f"Upgrading {name} from schema version {version} to {SCHEMA_VERSION}.")


def _schema_version(connection: Connection) -> int | None:
    """Return the schema version of the database, or None if it has no tables yet."""
    if not inspect(connection).has_table(database_info.name):
        return None
    return connection.scalar(select(database_info.c.schema_version))


def _require_columns(connection: Connection, problem_tables: MetaData) -> None:
    """Check the columns, because a problem may have changed since its tables were created."""
    inspector = inspect(connection)
    for name, table in problem_tables.tables.items():
        existing_columns = {column["name"] for column in inspector.get_columns(name)}
        if missing := [c.name for c in table.columns if c.name not in existing_columns]:
            raise DatabaseError(
                f"Table {name} of this database has no column {', '.join(missing)}: the "
                "problem has changed since; load the source files into a new one with --database."
            )


def _display_name(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)

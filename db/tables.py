"""The tables that every problem shares, and making and checking those of a database."""

import uuid
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Double,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    inspect,
    select,
)

from db.engine import DatabaseError

SCHEMA_VERSION = 1

# On SQLite only a column declared INTEGER is the row's own key; elsewhere 32 bits are too few.
Key = BigInteger().with_variant(Integer, "sqlite")

common = MetaData()

database_info = Table(
    "database_info",
    common,
    Column("id", String, primary_key=True),  # tells a load number of this database from others'
    Column("schema_version", Integer, nullable=False),
    Column("created_at", DateTime, nullable=False),
)

loads = Table(  # one row for every ingest that changed something: where rows came from, and when
    "loads",
    common,
    Column("id", Integer, primary_key=True),
    Column("problem", String, nullable=False),
    Column("source", String, nullable=False),
    Column("loaded_at", DateTime, nullable=False),
)

rejected_rows = Table(  # rows of a source that could not be loaded, as they were found
    "rejected_rows",
    common,
    Column("id", Key, primary_key=True),
    Column("load_id", ForeignKey(loads.c.id), nullable=False),
    Column("problem", String, nullable=False),
    Column("source", String, nullable=False),
    Column("table_name", String, nullable=False),
    Column("row_number", BigInteger, nullable=False),  # in the file, from 1
    Column("reason", String, nullable=False),
    Column("row_values", JSON, nullable=False),
    Index("ix_rejected_rows_source", "problem", "source"),
)

model_versions = Table(  # what results refer to; model_id is a name and a number
    "model_versions",
    common,
    Column("model_id", String, primary_key=True),
    Column("logged_model_id", String, nullable=False, unique=True),
    Column("registry", String, nullable=False),
    Column("decision_threshold", Double, nullable=False),
    Column("first_used_at", DateTime, nullable=False),
)

scoring_runs = Table(
    "scoring_runs",
    common,
    Column("id", Key, primary_key=True),
    Column("model_id", ForeignKey(model_versions.c.model_id), nullable=False),
    Column("endpoint", String, nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("finished_at", DateTime),
    Column("outcome", String, nullable=False),  # running, finished, limited, failed, interrupted
    Column("stored", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
)


def utc_now() -> datetime:
    """The time as every table keeps it: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def create_tables(connection: Connection, problem_tables: MetaData) -> None:
    """Make what is missing, within the caller's transaction.

    Raises:
        DatabaseError: a table is there already, but made for something else.
    """
    common.create_all(connection)
    problem_tables.create_all(connection)
    _require_columns(connection, problem_tables)
    if connection.scalar(select(func.count()).select_from(database_info)) == 0:
        info = {"id": str(uuid.uuid4()), "schema_version": SCHEMA_VERSION, "created_at": utc_now()}
        connection.execute(insert(database_info), info)


def require_tables(engine: Engine, problem_tables: MetaData) -> None:
    """Make sure that the database was loaded, by a release that we can read.

    Raises:
        DatabaseError: a table or a column is missing, or the schema is another release's.
    """
    shown = engine.url.render_as_string(hide_password=True)
    there = set(inspect(engine).get_table_names())
    if missing := {*common.tables, *problem_tables.tables} - there:
        raise DatabaseError(
            f"The database {shown} has no table {min(missing)}: load it with "
            "`python ingest.py` and the same --problem, or name another with --database."
        )
    with engine.connect() as connection:
        _require_columns(connection, problem_tables)
        version = connection.scalar(select(database_info.c.schema_version))
    if version != SCHEMA_VERSION:
        raise DatabaseError(
            f"The database {shown} has schema {version}, this release reads {SCHEMA_VERSION}: "
            "load the source files into a new database with --database."
        )


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


def database_id(connection: Connection) -> str:
    """The identity of this database, which a load number belongs to."""
    return connection.execute(select(database_info.c.id)).scalar_one()


def last_load(connection: Connection) -> int:
    """The number of the latest load; while it stands, no loaded row has changed."""
    return connection.execute(select(func.coalesce(func.max(loads.c.id), 0))).scalar_one()

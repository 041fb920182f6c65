"""The tables that all problems share."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    select,
)

# SQLite generates ids only in a column declared INTEGER; PostgreSQL needs 64 bits.
IdType = BigInteger().with_variant(Integer, "sqlite")

common_metadata = MetaData()

database_info = Table(
    "database_info",
    common_metadata,
    Column("id", String, primary_key=True),  # a UUID: load numbers are unique only per database
    Column("schema_version", Integer, nullable=False),
    Column("created_at", DateTime, nullable=False),
)

loads = Table(  # one row for each run of ingest.py that changed something
    "loads",
    common_metadata,
    Column("id", Integer, primary_key=True),
    Column("problem", String, nullable=False),
    Column("source", String, nullable=False),
    Column("loaded_at", DateTime, nullable=False),
)

rejected_rows = Table(  # rows of a source that could not be loaded, with their original values
    "rejected_rows",
    common_metadata,
    Column("id", IdType, primary_key=True),
    Column("load_id", ForeignKey(loads.c.id), nullable=False),
    Column("problem", String, nullable=False),
    Column("source", String, nullable=False),
    Column("table_name", String, nullable=False),
    Column("row_number", BigInteger, nullable=False),  # in the file, from 1
    Column("reason", String, nullable=False),
    Column("row_values", JSON, nullable=False),
    Index("ix_rejected_rows_source", "problem", "source"),
)

model_versions = Table(  # model_id is a name and a version number, such as name/3
    "model_versions",
    common_metadata,
    Column("model_id", String, primary_key=True),
    Column("logged_model_id", String, nullable=False, unique=True),
    Column("registry", String, nullable=False),
    Column("decision_threshold", Double, nullable=False),
    Column("first_used_at", DateTime, nullable=False),
)

scoring_runs = Table(
    "scoring_runs",
    common_metadata,
    Column("id", IdType, primary_key=True),
    Column("model_id", ForeignKey(model_versions.c.model_id), nullable=False),
    Column("endpoint", String, nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("finished_at", DateTime),
    Column("outcome", String, nullable=False),  # running, finished, limited, failed, interrupted
    Column("stored", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("host", String),  # the machine and process of the client, and its last sign of life
    Column("pid", Integer),
    Column("seen_at", DateTime),
)

claims = Table(  # ranges of row keys, as JSON, that only one scoring run works on
    "claims",
    common_metadata,
    Column("id", IdType, primary_key=True),
    Column("scoring_run_id", ForeignKey(scoring_runs.c.id), nullable=False),
    Column("first_key", JSON, nullable=False),
    Column("last_key", JSON, nullable=False),
    sqlite_autoincrement=True,  # never reuse the id of a deleted claim
)


def utc_now() -> datetime:
    """Return the current time as all tables store it: in UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def database_now(connection: Connection) -> datetime:
    """Return the time by the database's clock, because its clients' clocks may disagree."""
    if connection.dialect.name == "sqlite":  # the database runs in this process
        return utc_now()
    clock = select(func.timezone("UTC", func.clock_timestamp()))
    now: datetime = connection.execute(clock).scalar_one()
    return now


def database_id(connection: Connection) -> str:
    """Return the unique id of this database."""
    unique_id: str = connection.execute(select(database_info.c.id)).scalar_one()
    return unique_id


def last_load_id(connection: Connection) -> int:
    """Return the id of the latest load, or 0. It changes whenever a loaded row changes."""
    load_id: int = connection.execute(select(func.coalesce(func.max(loads.c.id), 0))).scalar_one()
    return load_id

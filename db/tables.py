"""The tables that every problem shares; schema.py makes them and brings them up to date."""

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

# On SQLite only a column declared INTEGER is the row's own key; elsewhere 32 bits are too few.
IdType = BigInteger().with_variant(Integer, "sqlite")

common_metadata = MetaData()

database_info = Table(
    "database_info",
    common_metadata,
    Column("id", String, primary_key=True),  # tells a load number of this database from others'
    Column("schema_version", Integer, nullable=False),
    Column("created_at", DateTime, nullable=False),
)

loads = Table(  # one row for every ingest that changed something: where rows came from, and when
    "loads",
    common_metadata,
    Column("id", Integer, primary_key=True),
    Column("problem", String, nullable=False),
    Column("source", String, nullable=False),
    Column("loaded_at", DateTime, nullable=False),
)

rejected_rows = Table(  # rows of a source that could not be loaded, as they were found
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

model_versions = Table(  # what results refer to; model_id is a name and a number
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
    Column("host", String),  # where it runs, as which process, and when it last said so
    Column("pid", Integer),
    Column("seen_at", DateTime),
)

claims = Table(  # rows that a scoring run has to itself: from one key to another, as in JSON
    "claims",
    common_metadata,
    Column("id", IdType, primary_key=True),
    Column("scoring_run_id", ForeignKey(scoring_runs.c.id), nullable=False),
    Column("first_key", JSON, nullable=False),
    Column("last_key", JSON, nullable=False),
    sqlite_autoincrement=True,  # else a claim might get the number of one that was taken away
)


def utc_now() -> datetime:
    """The time as every table keeps it: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def database_now(connection: Connection) -> datetime:
    """The same by the database's clock: those of the machines that work on it may disagree."""
    if connection.dialect.name == "sqlite":  # whose machine is this one
        return utc_now()
    clock = select(func.timezone("UTC", func.clock_timestamp()))
    return connection.execute(clock).scalar_one()


def database_id(connection: Connection) -> str:
    """The identity of this database, which a load number belongs to."""
    return connection.execute(select(database_info.c.id)).scalar_one()


def last_load_id(connection: Connection) -> int:
    """The number of the latest load; while it stands, no loaded row has changed."""
    return connection.execute(select(func.coalesce(func.max(loads.c.id), 0))).scalar_one()

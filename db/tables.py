"""The tables that all problems share."""

from datetime import UTC, datetime

import sqlalchemy as sa

# SQLite generates ids only in a column declared INTEGER; PostgreSQL needs 64 bits.
IdType = sa.BigInteger().with_variant(sa.Integer, "sqlite")

common_metadata = sa.MetaData()

database_info = sa.Table(
    "database_info",
    common_metadata,
    sa.Column("id", sa.String, primary_key=True),  # a UUID: load ids are unique per database only
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
)

loads = sa.Table(  # one row for each run of ingest.py that changed something
    "loads",
    common_metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("problem", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("loaded_at", sa.DateTime, nullable=False),
)

rejected_rows = sa.Table(  # rows of a source that could not be loaded, with their original values
    "rejected_rows",
    common_metadata,
    sa.Column("id", IdType, primary_key=True),
    sa.Column("load_id", sa.ForeignKey(loads.c.id), nullable=False),
    sa.Column("problem", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("table_name", sa.String, nullable=False),
    sa.Column("row_number", sa.BigInteger, nullable=False),  # in the file, from 1
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("row_values", sa.JSON, nullable=False),
    sa.Index("ix_rejected_rows_source", "problem", "source"),
)

model_versions = sa.Table(  # model_id is a name and a version number, such as name/3
    "model_versions",
    common_metadata,
    sa.Column("model_id", sa.String, primary_key=True),
    sa.Column("logged_model_id", sa.String, nullable=False, unique=True),
    sa.Column("registry", sa.String, nullable=False),
    sa.Column("decision_threshold", sa.Double, nullable=False),
    sa.Column("first_used_at", sa.DateTime, nullable=False),
)

scoring_runs = sa.Table(
    "scoring_runs",
    common_metadata,
    sa.Column("id", IdType, primary_key=True),
    sa.Column("model_id", sa.ForeignKey(model_versions.c.model_id), nullable=False),
    sa.Column("endpoint", sa.String, nullable=False),
    sa.Column("started_at", sa.DateTime, nullable=False),
    sa.Column("finished_at", sa.DateTime),
    # running, finished, limited, failed, interrupted
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("host", sa.String),  # the client's machine and process, and its last sign of life
    sa.Column("pid", sa.Integer),
    sa.Column("seen_at", sa.DateTime),
)

claims = sa.Table(  # ranges of row keys, as JSON, that only one scoring run works on
    "claims",
    common_metadata,
    sa.Column("id", IdType, primary_key=True),
    sa.Column("scoring_run_id", sa.ForeignKey(scoring_runs.c.id), nullable=False),
    sa.Column("first_key", sa.JSON, nullable=False),
    sa.Column("last_key", sa.JSON, nullable=False),
    sqlite_autoincrement=True,  # never reuse the id of a deleted claim
)


def utc_now() -> datetime:
    """Return the current time as all tables store it: in UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def database_now(connection: sa.Connection) -> datetime:
    """Return the time by the database's clock, because its clients' clocks may disagree."""
    if connection.dialect.name == "sqlite":  # the database runs in this process
        return utc_now()
    clock = sa.select(sa.func.timezone("UTC", sa.func.clock_timestamp()))
    now: datetime = connection.execute(clock).scalar_one()
    return now


def database_id(connection: sa.Connection) -> str:
    """Return the unique id of this database."""
    return str(connection.execute(sa.select(database_info.c.id)).scalar_one())


def last_load_id(connection: sa.Connection) -> int:
    """Return the id of the latest load, or 0. It changes whenever a loaded row changes."""
    return connection.scalar(sa.select(sa.func.max(loads.c.id))) or 0

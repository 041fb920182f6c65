"""Reads the rows to score from a PostgreSQL database over JDBC, in ranges of keys."""

import getpass
import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from pyspark.sql import DataFrame, SparkSession
from sqlalchemy import ARRAY, Double, Engine, and_, column, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import Column
from sqlalchemy.sql import ClauseElement

from db.engine import read_transaction
from db.results import latest_load_column
from db.staging import FileReport
from db.tables import last_load_id
from problems import Problem
from spark.errors import translate_spark_errors

ROWS_PER_TASK = 500_000


class SourceDatabase:
    """A database that ingest.py has loaded, so that its rows are checked already."""

    def __init__(self, spark: SparkSession, problem: Problem, engine: Engine) -> None:
        self._spark, self._problem, self._engine = spark, problem, engine
        self._load_id = 0
        self.reports: list[FileReport] = []

    def __str__(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    def check(self) -> None:
        """Do nothing, because ingest.py has checked every row."""

    def select_rows(self) -> DataFrame:
        """The rows to score, one range of keys in each task."""
        scoring, url = self._problem.scoring, self._engine.url
        query = scoring.rows.add_columns(latest_load_column(scoring))
        address = f"jdbc:postgresql://{url.host}:{url.port or 5432}/{url.database}"
        with read_transaction(self._engine) as connection:
            self._load_id = last_load_id(connection)
            count = select(func.count()).select_from(scoring.key.table)
            ranges = max(2, connection.execute(count).scalar_one() // ROWS_PER_TASK + 1)
            shares = literal([n / ranges for n in range(1, ranges)], ARRAY(Double))
            bounds_query = select(func.percentile_disc(shares).within_group(scoring.key.asc()))
            bounds = connection.execute(bounds_query).scalar_one() or []
        properties = {
            "user": url.username or os.environ.get("PGUSER") or getpass.getuser(),
            "password": url.password or os.environ.get("PGPASSWORD") or "",
            "driver": "org.postgresql.Driver",
            "fetchsize": "10000",
        }
        with translate_spark_errors():
            return self._spark.read.jdbc(
                f"{address}?{urlencode(dict(url.query), doseq=True)}",
                f"({sql_text(query)}) AS selected",
                predicates=[sql_text(condition) for condition in _ranges(scoring.key, bounds)],
                properties=properties,
            )

    def close(self) -> None:
        """Do nothing, because no rows are cached."""

    def is_unchanged(self) -> bool:
        """Whether no load has finished since the rows were selected."""
        with read_transaction(self._engine) as connection:
            return last_load_id(connection) == self._load_id

    def rejected_rows(self, _selected: int) -> DataFrame | None:
        """None, because ingest.py has stored the rejected rows already."""
        return None


def _ranges(key: Column, bounds: Sequence[Any]) -> Iterator[ClauseElement]:
    """Conditions that divide all rows into ranges of the key."""
    key_column: Any = column(key.name, key.type)
    bounds = sorted(set(bounds))
    yield key_column <= bounds[0] if bounds else key_column.is_not(None)
    for low, high in zip(bounds, [*bounds[1:], None], strict=True):
        is_above = key_column > low
        yield is_above if high is None else and_(is_above, key_column <= high)


def sql_text(clause: ClauseElement) -> str:
    """SQL with literal values, because Spark's readers take no parameters."""
    dialect = postgresql.dialect(paramstyle="named")
    return str(clause.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))

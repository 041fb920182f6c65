"""The rows to score, from a database that ingest.py loaded: read by JDBC, in ranges of keys."""

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
from spark.session import translate_spark_errors

ROWS_A_READ = 500_000  # by one task


class SourceDatabase:
    """A PostgreSQL database that ingest.py loaded, read by JDBC; its checks are done."""

    def __init__(self, spark: SparkSession, problem: Problem, engine: Engine) -> None:
        self._spark, self._problem, self._engine = spark, problem, engine
        self._load = 0
        self.reports: list[FileReport] = []

    def __str__(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    def check(self) -> None:
        """ingest.py has checked every row."""

    def select_rows(self) -> DataFrame:
        """What the row select finds, read in ranges of keys by as many tasks."""
        scoring, url = self._problem.scoring, self._engine.url
        query = scoring.rows.add_columns(latest_load_column(scoring))
        address = f"jdbc:postgresql://{url.host}:{url.port or 5432}/{url.database}"
        with read_transaction(self._engine) as connection:
            self._load = last_load_id(connection)
            number = connection.execute(select(func.count()).select_from(scoring.key.table))
            parts = max(2, number.scalar_one() // ROWS_A_READ + 1)
            cuts = [at / parts for at in range(1, parts)]
            at = func.percentile_disc(literal(cuts, ARRAY(Double))).within_group(scoring.key.asc())
            found = connection.execute(select(at)).scalar_one() or []
        login = {
            "user": url.username or os.environ.get("PGUSER") or getpass.getuser(),
            "password": url.password or os.environ.get("PGPASSWORD") or "",
            "driver": "org.postgresql.Driver",
            "fetchsize": "10000",
        }
        with translate_spark_errors():
            return self._spark.read.jdbc(
                f"{address}?{urlencode(dict(url.query), doseq=True)}",
                f"({_text(query)}) AS found",
                predicates=[_text(part) for part in _ranges(scoring.key, found)],
                properties=login,
            )

    def close(self) -> None:
        """Nothing of it was kept."""

    def is_unchanged(self) -> bool:
        """Has no load come since the select was made."""
        with read_transaction(self._engine) as connection:
            return last_load_id(connection) == self._load

    def rejected_rows(self, _selected: int) -> DataFrame | None:
        """The bad rows: ingest.py has set them aside already."""
        return None


def _ranges(key: Column, cuts: Sequence[Any]) -> Iterator[ClauseElement]:
    """Conditions on the key that divide all rows at these keys."""
    here: Any = column(key.name, key.type)
    cuts = sorted(set(cuts))
    yield here <= cuts[0] if cuts else here.is_not(None)
    for low, high in zip(cuts, [*cuts[1:], None], strict=True):
        yield here > low if high is None else and_(here > low, here <= high)


def _text(part: ClauseElement) -> str:
    """SQL with its values in it, as JDBC's reader takes no parameters."""
    dialect = postgresql.dialect(paramstyle="named")
    return str(part.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))

"""The folder of results: Parquet partitioned by version, to which commits are added, each whole.

A commit is written aside and then renamed to the next number, which only one run can do, and only
one that has seen all commits before it: so no row is in two of them, whoever is killed, and however
many runs there are at once. A row is its key with the values that were scored; one that changes is
another row, and scored again.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

import cli
from db.engine import DatabaseError
from db.results import TableCounts
from db.runs import HOST
from db.table_specs import describe_type
from db.tables import model_versions, rejected_rows, utc_now
from problems import Problem
from registry.versions import RegisteredVersion
from spark.executor import OUTCOME_LABEL, PROBABILITY, REASON, TRAINED_ON
from spark.filesystem import HadoopFolder
from spark.results_folder import IDENTITY_COLUMNS, REJECTED, SCORED, partition_name
from spark.session import translate_spark_errors
from spark.source_files import SPARK_TYPES

STAGING = "_staging"
CONTENT_HASH = "content_hash"


def add_content_hash(problem: Problem, rows: DataFrame) -> DataFrame:
    """The rows with a hash of their features, by which a changed row is known.

    Which features are null is a part of it: xxhash64 passes nulls over.
    """
    values = [F.col(name) for name in problem.feature_names]
    return rows.withColumn(CONTENT_HASH, F.xxhash64(*values, *(value.isNull() for value in values)))


class VersionResults:
    """What a version has scored and rejected, in one folder of results."""

    def __init__(
        self, spark: SparkSession, files: HadoopFolder, problem: Problem, version: RegisteredVersion
    ) -> None:
        self.folder, self.version = files, version
        self._spark, self._problem = spark, problem
        self._results, self._key = problem.scoring.results, problem.scoring.key.name
        self._of_version = partition_name(version.model_id)
        self._folder = f"{self._results.table.name}/{self._of_version}"

    def record_version(self, staging: str, *, dry: bool) -> None:
        """Note the version that results will refer to; `dry`, only see that no other has its name.

        Raises:
            DatabaseError: results under this name belong to another model.
        """
        version, to = self.version, f"{model_versions.name}/{self._of_version}"
        known = (version.logged_model_id, version.registry, version.threshold)
        if not self.folder.exists(to):
            if dry:
                return
            row = self._spark.createDataFrame([known], list(IDENTITY_COLUMNS))
            self._write(row.coalesce(1), f"{staging}/version")
            self.folder.rename_to_new(f"{staging}/version", to)
        with translate_spark_errors():
            found = self._spark.read.parquet(self.folder.path(to)).first()
        if found is None or found.logged_model_id != version.logged_model_id:
            other = f"model {found.logged_model_id} of {found.registry}" if found else "another one"
            raise DatabaseError(
                f"{version.model_id} is now model {version.logged_model_id}, but "
                f"{self.folder.root} knows it as {other}: train and promote again until the "
                "number is a new one, or use another folder for --results."
            )

    @contextmanager
    def staging_folder(self) -> Iterator[str]:
        """A folder for what is not whole yet, which goes with the body; so do those of the dead."""
        for left in self.folder.list_names(STAGING):
            host, _, rest = left.rpartition("-")[0].rpartition("-")
            if host == HOST and rest.isdigit() and not cli.is_running(int(rest)):
                self.folder.remove(f"{STAGING}/{left}")
        mine = f"{STAGING}/{HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        was_there = self.folder.exists()
        self.folder.create(
            mine
        )  # now, before minutes of work for a folder that cannot be written to
        try:
            yield mine
        finally:
            self.folder.remove(mine)
            if not self.folder.list_names(STAGING):
                self.folder.remove(STAGING)
            if not was_there and not self.folder.list_names():
                self.folder.remove()

    def last_commit(self) -> int:
        """The number of the last commit, 0 if there is none; the next one must have seen it."""
        names = [n for n in self.folder.list_names(self._folder) if n.startswith("commit=")]
        return max((int(name.partition("=")[2]) for name in names), default=0)

    def publish_commit(self, staged: str, after: int) -> bool:
        """Make a staged folder the commit after that one; False if another run was first."""
        return self.folder.rename_to_new(staged, f"{self._folder}/commit={after + 1:06d}")

    def pending_rows(self, rows: DataFrame, *, replay: bool = False) -> DataFrame:
        """Those of the rows that the version has not scored, nor (but for `replay`) rejected."""
        done = self._keys(SCORED)
        if not replay:
            done = done.unionByName(self._keys(REJECTED))
        return rows.join(done, [self._key, CONTENT_HASH], "left_anti")

    def count_rows(self, rows: DataFrame) -> TableCounts:
        """How the version stands on these rows, each number by a query of its own."""
        on = [self._key, CONTENT_HASH]
        with translate_spark_errors():
            return TableCounts(
                selected=rows.count(),
                scored=self._keys(SCORED).join(rows, on, "left_semi").count(),
                rejected=self._rejected(rows).count(),
                pending=self.pending_rows(rows).count(),
            )

    def rejection_reasons(self, rows: DataFrame) -> dict[str, int]:
        """How many of these rows the version has rejected for each reason, most first."""
        with translate_spark_errors():
            found = (
                self._rejected(rows).groupBy("reason").count().orderBy(F.desc("count")).collect()
            )
        return {row.reason: row["count"] for row in found}

    def result_rows(self, answered: DataFrame, run_id: str) -> DataFrame:
        """What a commit holds of rows with their answers; the columns are the result table's."""
        results = self._results
        values = [F.col(name).alias(column) for name, column in results.value_columns.items()]
        return answered.select(
            F.col(self._key).alias(results.key_column),
            *values,
            F.col(OUTCOME_LABEL).alias(results.outcome_column),
            F.col(PROBABILITY).alias(results.probability_column),
            F.col(TRAINED_ON).alias("trained_on"),
            F.col(REASON).alias("reason"),
            F.lit(str(utc_now())).cast(T.TimestampNTZType()).alias("process_time"),
            F.lit(run_id).alias("run_id"),
            F.col(CONTENT_HASH),
            F.when(F.col(REASON).isNull(), SCORED).otherwise(REJECTED).alias("outcome"),
        )

    def write_rejected_rows(self, rows: DataFrame, staging: str, run_id: str) -> None:
        """Write rows of the source that cannot be scored, under this run's name."""
        staged, to = f"{staging}/{rejected_rows.name}", f"{rejected_rows.name}/run={run_id}"
        self._write(rows, staged)
        self.folder.rename_to_new(staged, to)

    def _rejected(self, rows: DataFrame) -> DataFrame:
        """The rejected ones of these rows, each once, but those scored since by a replay."""
        on = [self._key, CONTENT_HASH]
        found = self._keys(REJECTED, "reason").join(rows, on, "left_semi").dropDuplicates(on)
        return found.join(self._keys(SCORED), on, "left_anti")

    def _keys(self, outcome: str, *more: str) -> DataFrame:
        """Keys and contents of all results of one outcome."""
        key = self._problem.scoring.key
        schema = T.StructType(
            [
                T.StructField(self._results.key_column, SPARK_TYPES[describe_type(key)]),
                T.StructField(CONTENT_HASH, T.LongType()),
                T.StructField("reason", T.StringType()),
                T.StructField("outcome", T.StringType()),
            ]
        )
        if self.last_commit():
            folder = self.folder.path(self._folder)
            found = self._spark.read.schema(schema).parquet(folder)
        else:
            found = self._spark.createDataFrame([], schema)
        named = F.col(self._results.key_column).alias(self._key)
        return found.where(F.col("outcome") == outcome).select(named, CONTENT_HASH, *more)

    def _write(self, rows: DataFrame, below: str) -> None:
        with translate_spark_errors():
            rows.write.mode("overwrite").parquet(self.folder.path(below))

"""The results that a version has in a results folder, which grow by commits.

A commit is written to the staging folder and then renamed to the next number. The rename succeeds
for one run only, and only if that run knew all earlier commits, so no row is in two commits, even
if runs are killed or run at the same time. A row is identified by its key and a hash of its
features: if a feature changes, the row is scored again.
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
from spark.errors import translate_spark_errors
from spark.executor import OUTCOME_LABEL, PROBABILITY, REASON, TRAINED_ON
from spark.filesystem import HadoopFolder
from spark.results_folder import IDENTITY_COLUMNS, REJECTED, SCORED, partition_name
from spark.source_files import SPARK_TYPES

STAGING = "_staging"
CONTENT_HASH = "content_hash"


def add_content_hash(problem: Problem, rows: DataFrame) -> DataFrame:
    """Add a hash of the features, which changes whenever one of them does.

    xxhash64 skips nulls, so which features are null is hashed as well.
    """
    values = [F.col(name) for name in problem.feature_names]
    return rows.withColumn(CONTENT_HASH, F.xxhash64(*values, *(value.isNull() for value in values)))


class VersionResults:
    """The scores and rejections of one version in a results folder."""

    def __init__(
        self, spark: SparkSession, folder: str, problem: Problem, version: RegisteredVersion
    ) -> None:
        self.folder, self.version = HadoopFolder(spark, folder), version
        self._spark, self._scoring = spark, problem.scoring
        self._partition = partition_name(version.model_id)
        self._path = f"{self._scoring.results.table.name}/{self._partition}"
        self._identity = [self._scoring.key.name, CONTENT_HASH]  # of a row

    def record_version(self, staging: str, *, dry: bool) -> None:
        """Store the version that the results refer to, or only check it with `dry`.

        Raises:
            DatabaseError: the folder has results of another model with the same version id.
        """
        version, name = self.version, f"{model_versions.name}/{self._partition}"
        if not self.folder.exists(name):
            if dry:
                return
            identity = (version.logged_model_id, version.registry, version.threshold)
            row = self._spark.createDataFrame([identity], list(IDENTITY_COLUMNS))
            self._write(row.coalesce(1), f"{staging}/version")
            self.folder.rename_to_new(f"{staging}/version", name)
        with translate_spark_errors():
            stored = self._spark.read.parquet(self.folder.path(name)).first()
        if stored is None or stored.logged_model_id != version.logged_model_id:
            model = f"model {stored.logged_model_id} of {stored.registry}" if stored else "unknown"
            raise DatabaseError(
                f"{version.model_id} is model {version.logged_model_id} in the registry, but "
                f"{model} in {self.folder.root}: train and promote again until the version number "
                "is new, or choose another folder with --results."
            )

    @contextmanager
    def staging_folder(self) -> Iterator[str]:
        """A folder for the body to write to, removed after it, as are those of killed runs."""
        for name in self.folder.list_names(STAGING):
            host, _, pid = name.rpartition("-")[0].rpartition("-")
            if host == HOST and pid.isdigit() and not cli.is_running(int(pid)):
                self.folder.remove(f"{STAGING}/{name}")
        staging = f"{STAGING}/{HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        existed = self.folder.exists()
        self.folder.create(staging)  # a folder without write access fails now, not after minutes
        try:
            yield staging
        finally:
            self.folder.remove(staging)
            if not self.folder.list_names(STAGING):
                self.folder.remove(STAGING)
            if not existed and not self.folder.list_names():
                self.folder.remove()

    def last_commit(self) -> int:
        """The number of the last commit, or 0 if there is none."""
        names = [n for n in self.folder.list_names(self._path) if n.startswith("commit=")]
        return max((int(name.partition("=")[2]) for name in names), default=0)

    def publish_commit(self, staged: str, last_commit: int) -> bool:
        """Rename a staged folder to the commit after `last_commit`; False if that one exists."""
        return self.folder.rename_to_new(staged, f"{self._path}/commit={last_commit + 1:06d}")

    def pending_rows(self, rows: DataFrame, *, replay: bool = False) -> DataFrame:
        """The rows that are neither scored nor rejected, and with `replay` the rejected ones."""
        results = self._results(SCORED)
        if not replay:
            results = results.unionByName(self._results(REJECTED))
        return rows.join(results, self._identity, "left_anti")

    def count_rows(self, rows: DataFrame) -> TableCounts:
        """The counts of these rows, each from its own query."""
        with translate_spark_errors():
            return TableCounts(
                selected=rows.count(),
                scored=self._results(SCORED).join(rows, self._identity, "left_semi").count(),
                rejected=self._rejections(rows).count(),
                pending=self.pending_rows(rows).count(),
            )

    def rejection_reasons(self, rows: DataFrame) -> dict[str, int]:
        """The number of rejected rows for each reason, the most frequent reason first."""
        counts = self._rejections(rows).groupBy("reason").count().orderBy(F.desc("count"))
        with translate_spark_errors():
            return {row.reason: row["count"] for row in counts.collect()}

    def result_rows(self, scored: DataFrame, run_id: str) -> DataFrame:
        """The rows of a commit, with the columns of the results table."""
        results = self._scoring.results
        values = [F.col(name).alias(column) for name, column in results.value_columns.items()]
        return scored.select(
            F.col(self._scoring.key.name).alias(results.key_column),
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
        """Write rejected rows of the source, in a folder of this run."""
        staged = f"{staging}/{rejected_rows.name}"
        self._write(rows, staged)
        self.folder.rename_to_new(staged, f"{rejected_rows.name}/run={run_id}")

    def _rejections(self, rows: DataFrame) -> DataFrame:
        """The rejections of these rows, one for each row that was not scored by a later replay."""
        rejected = self._results(REJECTED, "reason").join(rows, self._identity, "left_semi")
        rejected = rejected.dropDuplicates(self._identity)
        return rejected.join(self._results(SCORED), self._identity, "left_anti")

    def _results(self, outcome: str, *columns: str) -> DataFrame:
        """The row keys and content hashes of all results with an outcome."""
        key, key_column = self._scoring.key, self._scoring.results.key_column
        schema = T.StructType().add(key_column, SPARK_TYPES[describe_type(key)])
        schema.add(CONTENT_HASH, "long").add("reason", "string").add("outcome", "string")
        if self.last_commit():
            results = self._spark.read.schema(schema).parquet(self.folder.path(self._path))
        else:
            results = self._spark.createDataFrame([], schema)
        row_key = F.col(key_column).alias(key.name)
        return results.where(F.col("outcome") == outcome).select(row_key, CONTENT_HASH, *columns)

    def _write(self, rows: DataFrame, name: str) -> None:
        with translate_spark_errors():
            rows.write.mode("overwrite").parquet(self.folder.path(name))

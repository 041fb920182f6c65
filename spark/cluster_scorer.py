"""Scores the pending rows of a table on a cluster, in commits of limited size."""

import threading
from dataclasses import dataclass

import mlflow
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema

from db.runs import RunCounts
from registry import model_files
from registry.store import translate_mlflow_errors
from scoring.run import SCORE_BINS, RunStatistics, TooManyRejected
from spark.cluster_job import ClusterJob
from spark.errors import translate_spark_errors
from spark.executor import ANSWER_COLUMNS, BatchScorer
from spark.results_folder import SCORED, Advance


@dataclass(frozen=True)
class RunLimits:
    """The limits of a run: rows to score (0 for all), rows per commit, and rejected rows."""

    max_rows: int
    commit_rows: int
    max_rejected: int


class ClusterScorer:
    """Scores the rows of a job; `run_counts` and `statistics` describe what it has done so far."""

    def __init__(self, job: ClusterJob, rows: DataFrame, run_id: str, limits: RunLimits) -> None:
        self.run_counts, self.statistics = RunCounts(0, 0), RunStatistics()
        self._job, self._rows, self._run_id, self._limits = job, rows, run_id, limits
        self._results, self._folder = job.results, job.results.folder
        files = model_files.checked_copy(job.version)
        with translate_spark_errors(), translate_mlflow_errors(), files as folder:
            udf = mlflow.pyfunc.spark_udf(
                job.spark, str(folder), result_type="array<double>", env_manager="local"
            )
        labels, group = job.problem.outcome_labels, job.problem.group_name
        self._batch_scorer = BatchScorer(udf.func, job.version, labels, group, job.last_load)

    def run(self, replay: bool, stop: threading.Event, advance: Advance) -> None:
        """Score the pending rows; once `stop` is set, start no further commit.

        Raises:
            UnverifiedModel: the model in an executor is not the registered version.
            TooManyRejected: the version rejects more rows than allowed; they stay rejected.
        """
        while True:
            last_commit = self._results.last_commit()
            parts = self._divide(self._results.pending_rows(self._rows, replay=replay))
            for part in parts:
                if stop.is_set():
                    return
                if not self._commit(part, last_commit, advance):
                    break  # another run has committed, perhaps the same rows: divide them again
                last_commit += 1
            else:
                return

    def _divide(self, pending: DataFrame) -> list[str]:
        """Write the pending rows to the staging folder, in parts of about one commit each."""
        if self._limits.max_rows:
            pending = pending.limit(max(0, self._limits.max_rows - self.run_counts.rows))
        target = f"{self._job.staging}/pending"
        with translate_spark_errors():
            row_count = pending.count()
            if not row_count:
                return []
            commits = -(-row_count // self._limits.commit_rows)
            tasks = self._job.spark.sparkContext.defaultParallelism
            part = (F.spark_partition_id() % commits).alias("part")
            key = self._job.problem.scoring.key.name
            divided = pending.repartition(commits * tasks, key).select("*", part)
            writer = divided.write.mode("overwrite").partitionBy("part")
            writer.parquet(self._folder.path(target))
        names = self._folder.list_names(target)
        return [f"{target}/{name}" for name in names if name.startswith("part=")]

    def _commit(self, part: str, last_commit: int, advance: Advance) -> bool:
        """Score a part and publish it as the next commit; False if another run was faster."""
        staged = f"{self._job.staging}/commit"
        path, read = self._folder.path(staged), self._job.spark.read
        with translate_spark_errors():
            rows = read.parquet(self._folder.path(part))
            answers = from_arrow_schema(pa.schema(ANSWER_COLUMNS))
            scored = rows.mapInArrow(self._batch_scorer, T.StructType([*rows.schema, *answers]))
            results = self._results.result_rows(scored, self._run_id)
            results.write.mode("overwrite").partitionBy("outcome").parquet(path)
            probability = F.col(self._job.problem.scoring.results.probability_column)
            bins = len(SCORE_BINS) - 1
            bin_ = F.least(F.floor(probability * bins), F.lit(bins - 1)).alias("bin")
            counts = read.parquet(path).groupBy("outcome", bin_).count().collect()
        if not self._results.publish_commit(staged, last_commit):
            return False
        self._add_commit({(row.outcome, row.bin): row["count"] for row in counts}, advance)
        return True

    def _add_commit(self, counts: dict[tuple[str, int], int], advance: Advance) -> None:
        """Add the rows of a commit, counted by outcome and bin, to what the run has done."""
        stored = rejected = 0
        for (outcome, bin_), row_count in counts.items():
            if outcome == SCORED:
                self.statistics.histogram[bin_] += row_count
                stored += row_count
            else:
                rejected += row_count
        before = self.run_counts
        self.run_counts = RunCounts(before.stored + stored, before.rejected + rejected)
        advance(stored + rejected)
        if self.run_counts.rejected > self._limits.max_rejected:
            reasons = self._results.rejection_reasons(self._rows)
            raise TooManyRejected(self._job.version.model_id, reasons)

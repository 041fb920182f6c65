"""Score the pending rows of a table on a cluster, and commit them a part at a time."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mlflow
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from db.runs import RunCounts
from problems import Problem
from registry import model_files
from registry.store import translate_mlflow_errors as explained_by_mlflow
from scoring.run import SCORE_BINS, RunStatistics, TooManyRejected
from spark.executor import ANSWER_COLUMNS, BatchScorer
from spark.results import VersionResults
from spark.results_folder import SCORED
from spark.session import translate_spark_errors

Counted = Mapping[tuple[str, int], int]  # rows by their outcome and the bin of their probability


@dataclass(frozen=True)
class RunLimits:
    """Of one run: the most rows to score (0: all), about how many a commit, the most to reject."""

    max_rows: int
    commit_rows: int
    max_rejected: int


class ClusterScorer:
    """One scoring run; `run` does it, and what it did is in `did` and `tally`."""

    def __init__(
        self,
        spark: SparkSession,
        scores: VersionResults,
        problem: Problem,
        rows: DataFrame,
        staging: str,
        run_id: str,
        bounds: RunLimits,
        last_load: int | None,
    ) -> None:
        self.run_counts, self.tally = RunCounts(0, 0), RunStatistics()
        self._spark, self._scores, self._problem, self._rows = spark, scores, problem, rows
        self._staging, self._run_id, self._bounds = staging, run_id, bounds
        checked = model_files.checked_copy(scores.version)
        with translate_spark_errors(), explained_by_mlflow(), checked as folder:
            udf = mlflow.pyfunc.spark_udf(
                spark, str(folder), result_type="array<double>", env_manager="local"
            )
        self._task = BatchScorer(
            udf.func, scores.version, problem.outcome_labels, problem.group_name, last_load
        )

    def run(self, replay: bool, stop: threading.Event, advance: Callable[[int], None]) -> None:
        """Score those of the rows that are pending; once `stop` is set, begin no other commit.

        Raises:
            Unproven: an executor's model does not answer its canary rows as the version does.
            TooManyRejected: the version rejects more rows than it may; they stay rejected.
        """
        while True:
            seen = self._scores.last_commit()
            parts = self._divide(self._scores.pending_rows(self._rows, replay=replay))
            for part in parts:
                if stop.is_set():
                    return
                if not self._commit(part, seen, advance):
                    break  # another run came first, perhaps with the same rows: look again
                seen += 1
            else:
                return

    def _divide(self, pending: DataFrame) -> list[str]:
        """Write the pending rows into staging, in parts of about a commit each."""
        if self._bounds.max_rows:
            pending = pending.limit(max(0, self._bounds.max_rows - self.run_counts.rows))
        with translate_spark_errors():
            number = pending.count()
            if not number:
                return []
            commits = -(-number // self._bounds.commit_rows)
            tasks = self._spark.sparkContext.defaultParallelism
            part = (F.spark_partition_id() % commits).alias("part")
            key = self._problem.scoring.key.name
            divided = pending.repartition(commits * tasks, key).select("*", part)
            to = f"{self._staging}/pending"
            divided.write.mode("overwrite").partitionBy("part").parquet(
                self._scores.folder.path(to)
            )
        names = self._scores.folder.list_names(to)
        return [f"{to}/{name}" for name in names if name.startswith("part=")]

    def _commit(self, part: str, seen: int, advance: Callable[[int], None]) -> bool:
        """Score a part and publish it after the commits seen; False if others were published."""
        files, staged = self._scores.folder, f"{self._staging}/commit"
        with translate_spark_errors():
            rows = self._spark.read.parquet(files.path(part))
            answered = rows.mapInArrow(self._task, _answered(rows.schema))
            written = self._scores.result_rows(answered, self._run_id)
            written.write.mode("overwrite").partitionBy("outcome").parquet(files.path(staged))
            probability = self._problem.scoring.results.probability_column
            at = F.least(
                F.floor(F.col(probability) * (len(SCORE_BINS) - 1)), F.lit(len(SCORE_BINS) - 2)
            )
            found = self._spark.read.parquet(files.path(staged))
            counted = found.groupBy("outcome", at.alias("bin")).count().collect()
        if not self._scores.publish_commit(staged, seen):
            return False
        self._tell({(row.outcome, row.bin): row["count"] for row in counted}, advance)
        return True

    def _tell(self, counted: Counted, advance: Callable[[int], None]) -> None:
        """Sum up a commit: what it stored and rejected, and how the probabilities lie."""
        stored = rejected = 0
        for (outcome, at), number in counted.items():
            if outcome == SCORED:
                self.tally.histogram[at] += number
                stored += number
            else:
                rejected += number
        self.run_counts = RunCounts(
            self.run_counts.stored + stored, self.run_counts.rejected + rejected
        )
        advance(stored + rejected)
        if self.run_counts.rejected > self._bounds.max_rejected:
            raise TooManyRejected(
                self._scores.version.model_id, self._scores.rejection_reasons(self._rows)
            )


def _answered(rows: T.StructType) -> T.StructType:
    """The schema of rows with their answers."""
    types = (T.StringType(), T.DoubleType(), T.BooleanType(), T.StringType())
    return T.StructType([*rows, *map(T.StructField, ANSWER_COLUMNS, types)])

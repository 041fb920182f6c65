"""Score the pending rows of a table on a cluster, and commit them a part at a time."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mlflow
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from db.runs import Did
from problems import Problem
from registry import model_files
from registry.store import explained as explained_by_mlflow
from scoring.closing import TooManyRejected
from scoring.tally import BINS, Tally
from spark.executor import ANSWER, Score
from spark.results import Scores
from spark.results_folder import SCORED
from spark.session import explained

Counted = Mapping[tuple[str, int], int]  # rows by their outcome and the bin of their probability


@dataclass(frozen=True)
class Bounds:
    """Of one run: the most rows to score (0: all), about how many a commit, the most to reject."""

    rows: int
    commit: int
    rejected: int


class ClusterScorer:
    """One scoring run; `run` does it, and what it did is in `did` and `tally`."""

    def __init__(
        self,
        spark: SparkSession,
        scores: Scores,
        problem: Problem,
        rows: DataFrame,
        staging: str,
        run_id: str,
        bounds: Bounds,
        last_load: int | None,
    ) -> None:
        self.did, self.tally = Did(0, 0), Tally()
        self._spark, self._scores, self._problem, self._rows = spark, scores, problem, rows
        self._staging, self._run_id, self._bounds = staging, run_id, bounds
        checked = model_files.checked_copy(scores.version)
        with explained(), explained_by_mlflow(), checked as folder:
            udf = mlflow.pyfunc.spark_udf(
                spark, str(folder), result_type="array<double>", env_manager="local"
            )
        self._task = Score(udf.func, scores.version, problem.words, problem.group_name, last_load)

    def run(self, replay: bool, stop: threading.Event, advance: Callable[[int], None]) -> None:
        """Score those of the rows that are pending; once `stop` is set, begin no other commit.

        Raises:
            Unproven: an executor's model does not answer its canary rows as the version does.
            TooManyRejected: the version rejects more rows than it may; they stay rejected.
        """
        while True:
            seen = self._scores.commits()
            parts = self._divide(self._scores.pending(self._rows, replay=replay))
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
        if self._bounds.rows:
            pending = pending.limit(max(0, self._bounds.rows - self.did.rows))
        with explained():
            number = pending.count()
            if not number:
                return []
            commits = -(-number // self._bounds.commit)
            tasks = self._spark.sparkContext.defaultParallelism
            part = (F.spark_partition_id() % commits).alias("part")
            key = self._problem.scoring.key.name
            divided = pending.repartition(commits * tasks, key).select("*", part)
            to = f"{self._staging}/pending"
            divided.write.mode("overwrite").partitionBy("part").parquet(self._scores.files.path(to))
        names = self._scores.files.names(to)
        return [f"{to}/{name}" for name in names if name.startswith("part=")]

    def _commit(self, part: str, seen: int, advance: Callable[[int], None]) -> bool:
        """Score a part and publish it after the commits seen; False if others were published."""
        files, staged = self._scores.files, f"{self._staging}/commit"
        with explained():
            rows = self._spark.read.parquet(files.path(part))
            answered = rows.mapInArrow(self._task, _answered(rows.schema))
            written = self._scores.written(answered, self._run_id)
            written.write.mode("overwrite").partitionBy("outcome").parquet(files.path(staged))
            probability = self._problem.scoring.results.probability
            at = F.least(F.floor(F.col(probability) * (len(BINS) - 1)), F.lit(len(BINS) - 2))
            found = self._spark.read.parquet(files.path(staged))
            counted = found.groupBy("outcome", at.alias("bin")).count().collect()
        if not self._scores.publish(staged, seen):
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
        self.did = Did(self.did.stored + stored, self.did.rejected + rejected)
        self.tally.rejected = self.did.rejected
        advance(stored + rejected)
        if self.did.rejected > self._bounds.rejected:
            raise TooManyRejected(self._scores.version.model_id, self._scores.reasons(self._rows))


def _answered(rows: T.StructType) -> T.StructType:
    """The schema of rows with their answers."""
    types = (T.StringType(), T.DoubleType(), T.BooleanType(), T.StringType())
    return T.StructType([*rows, *map(T.StructField, ANSWER, types)])

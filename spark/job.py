"""One scoring of a table on a cluster: what is scored, by which version, and where it goes."""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession
from sqlalchemy import Engine

import problems
from cli.terminal import say
from db.results import Counts
from db.staging import FileReport
from db.tables import database_id
from registry import versions
from spark.cluster_scorer import Bounds, ClusterScorer
from spark.filesystem import Files
from spark.results import Scores, with_content
from spark.session import explained
from spark.source_database import SourceDatabase
from spark.source_files import SourceFiles


class Source(Protocol):
    """Where the rows come from."""

    def check(self) -> None: ...
    def select(self) -> DataFrame: ...
    def unchanged(self) -> bool: ...
    def set_aside(self, selected: int) -> DataFrame | None: ...

    def close(self) -> None: ...

    @property
    def reports(self) -> Sequence[FileReport]: ...


@dataclass(frozen=True)
class Job:
    """What is scored, by which version, and where its results go."""

    spark: SparkSession
    problem: problems.Problem
    version: versions.Version
    source: Source
    scores: Scores
    staging: str
    last_load: int | None

    def __str__(self) -> str:
        return f"{self.version.model_id} on {self.source}"

    def selected(self) -> DataFrame:
        """The rows to score as they are now, written aside, so that every count is of the same."""
        to = self.scores.files.path(f"{self.staging}/rows")
        while True:
            with explained():
                rows = with_content(self.problem, self.source.select())
                rows.write.mode("overwrite").parquet(to)
            if self.source.unchanged():
                return self.spark.read.parquet(to)
            say("A load came while the rows were read: reading them again ...")

    def scorer(
        self, rows: DataFrame, before: Counts, run_id: str, args: argparse.Namespace
    ) -> ClusterScorer:
        """What scores these rows, of which that is known before."""
        rejected = 0 if args.replay else before.rejected
        most = int(args.max_rejected * before.selected) - rejected
        bounds = Bounds(args.limit, args.commit_rows, most)
        work = (self.spark, self.scores, self.problem, rows, self.staging, run_id)
        return ClusterScorer(*work, bounds, self.last_load)


@contextlib.contextmanager
def prepared(
    spark: SparkSession,
    problem: problems.Problem,
    version: versions.Version,
    database: Engine | None,
    args: argparse.Namespace,
) -> Iterator[Job]:
    """The job, with its source checked, and a staging folder for the body."""
    last_load: int | None = None
    source: Source
    scores = Scores(spark, Files(spark, args.results), problem, version)
    if database is None:
        source = SourceFiles(spark, problem, args.source, args.max_rejected)
    else:
        source = SourceDatabase(spark, problem, database)
        with database.connect() as connection:
            last_load = version.trained_on.known_in(database_id(connection))
    with contextlib.closing(source), scores.staging() as staging:
        print(f"Checking the rows of {source} ...", flush=True)
        source.check()
        yield Job(spark, problem, version, source, scores, staging, last_load)

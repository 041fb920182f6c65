"""One scoring of a table on a cluster: what is scored, by which version, and where it goes."""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession
from sqlalchemy import Engine

import problems
from cli.terminal import print_message
from db.results import TableCounts
from db.staging import FileReport
from db.tables import database_id
from registry import versions
from spark.cluster_scorer import ClusterScorer, RunLimits
from spark.filesystem import HadoopFolder
from spark.results import VersionResults, add_content_hash
from spark.session import translate_spark_errors
from spark.source_database import SourceDatabase
from spark.source_files import SourceFiles


class RowSource(Protocol):
    """Where the rows come from."""

    def check(self) -> None: ...
    def select_rows(self) -> DataFrame: ...
    def is_unchanged(self) -> bool: ...
    def rejected_rows(self, selected: int) -> DataFrame | None: ...

    def close(self) -> None: ...

    @property
    def reports(self) -> Sequence[FileReport]: ...


@dataclass(frozen=True)
class ClusterJob:
    """What is scored, by which version, and where its results go."""

    spark: SparkSession
    problem: problems.Problem
    version: versions.RegisteredVersion
    source: RowSource
    results: VersionResults
    staging: str
    last_load: int | None

    def __str__(self) -> str:
        return f"{self.version.model_id} on {self.source}"

    def snapshot_rows(self) -> DataFrame:
        """The rows to score as they are now, written aside, so that every count is of the same."""
        to = self.results.folder.path(f"{self.staging}/rows")
        while True:
            with translate_spark_errors():
                rows = add_content_hash(self.problem, self.source.select_rows())
                rows.write.mode("overwrite").parquet(to)
            if self.source.is_unchanged():
                return self.spark.read.parquet(to)
            print_message("A load came while the rows were read: reading them again ...")

    def create_scorer(
        self, rows: DataFrame, before: TableCounts, run_id: str, args: argparse.Namespace
    ) -> ClusterScorer:
        """What scores these rows, of which that is known before."""
        rejected = 0 if args.replay else before.rejected
        most = int(args.max_rejected * before.selected) - rejected
        bounds = RunLimits(args.limit, args.commit_rows, most)
        work = (self.spark, self.results, self.problem, rows, self.staging, run_id)
        return ClusterScorer(*work, bounds, self.last_load)


@contextlib.contextmanager
def prepare_job(
    spark: SparkSession,
    problem: problems.Problem,
    version: versions.RegisteredVersion,
    database: Engine | None,
    args: argparse.Namespace,
) -> Iterator[ClusterJob]:
    """The job, with its source checked, and a staging folder for the body."""
    last_load: int | None = None
    source: RowSource
    scores = VersionResults(spark, HadoopFolder(spark, args.results), problem, version)
    if database is None:
        source = SourceFiles(spark, problem, args.source, args.max_rejected)
    else:
        source = SourceDatabase(spark, problem, database)
        with database.connect() as connection:
            last_load = version.trained_on.last_load_in(database_id(connection))
    with contextlib.closing(source), scores.staging_folder() as staging:
        print(f"Checking the rows of {source} ...", flush=True)
        source.check()
        yield ClusterJob(spark, problem, version, source, scores, staging, last_load)

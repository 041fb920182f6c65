"""Prepares the scoring of a table on a cluster: its rows, its version and its results folder."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from sqlalchemy import Engine

from cli.terminal import print_message
from db.tables import database_id
from problems import Problem
from registry.versions import RegisteredVersion
from spark.errors import translate_spark_errors
from spark.results import VersionResults, add_content_hash
from spark.source_database import SourceDatabase
from spark.source_files import SourceFiles

RowSource = SourceFiles | SourceDatabase


@dataclass(frozen=True)
class ClusterJob:
    """A source of rows, the version that scores them, and the results folder.

    `staging` is a folder in the results folder. `last_load` is the last load of the database that
    the version may have been trained on, or None if that is unknown.
    """

    spark: SparkSession
    problem: Problem
    version: RegisteredVersion
    source: RowSource
    results: VersionResults
    staging: str
    last_load: int | None

    def __str__(self) -> str:
        return f"{self.version.model_id} on {self.source}"

    def snapshot_rows(self) -> DataFrame:
        """Copy the rows to score into the staging folder, so that all counts refer to the same."""
        path = self.results.folder.path(f"{self.staging}/rows")
        while True:
            with translate_spark_errors():
                rows = add_content_hash(self.problem, self.source.select_rows())
                rows.write.mode("overwrite").parquet(path)
            if self.source.is_unchanged():
                return self.spark.read.parquet(path)
            print_message("The database was loaded while its rows were read: reading again ...")


@contextlib.contextmanager
def prepare_job(
    spark: SparkSession,
    problem: Problem,
    version: RegisteredVersion,
    source: str | Engine,
    results: str,
    max_rejected: float,
) -> Iterator[ClusterJob]:
    """Check the rows of a folder or database, and create a staging folder for the body.

    Raises:
        SourceError: a source file is missing or damaged, or more than the share `max_rejected` of
            its rows is rejected.
        SparkError: a folder cannot be used.
    """
    last_load: int | None = None
    version_results = VersionResults(spark, results, problem, version)
    if isinstance(source, str):
        row_source: RowSource = SourceFiles(spark, problem, source, max_rejected)
    else:
        row_source = SourceDatabase(spark, problem, source)
        with source.connect() as connection:
            last_load = version.trained_on.last_load_in(database_id(connection))
    with contextlib.closing(row_source), version_results.staging_folder() as staging:
        print(f"Checking the rows of {row_source} ...", flush=True)
        row_source.check()
        yield ClusterJob(spark, problem, version, row_source, version_results, staging, last_load)

"""Helpers for tests on a cluster: run score_spark.py, and read its results folder."""

from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds

import score_spark
from tests.support.scripts import run_main

CLUSTER = "local-cluster[2,1,1024]"
FEW_TASKS = ("--conf", "spark.sql.shuffle.partitions=4")  # the tables here are small


class SparkScore:
    """Runs score_spark.py in this process, on the cluster of the `cluster` fixture."""

    def __call__(self, source: Path | str, results: Path, *flags: object) -> int:
        folders = ("--source", source) if source else ()
        folders = (*folders, "--results", results)
        return run_main(score_spark.main, *folders, "--master", CLUSTER, *FEW_TASKS, *flags)


def read_results(
    results: Path, table: str = "results_clicked", outcome: str = "scored"
) -> pd.DataFrame:
    """All results with one outcome, with the version and the commit of each."""
    if not (results / table).exists():
        return pd.DataFrame()
    rows = ds.dataset(results / table, partitioning="hive").to_table().to_pandas()
    return rows[rows["outcome"] == outcome].reset_index(drop=True)


def assert_each_row_scored_once(results: Path, rows: int) -> None:
    """Assert that there are scores for this many rows, and only one for each."""
    keys = read_results(results)["offer_id"]
    assert (len(keys), keys.nunique()) == (rows, rows)


def list_commits(results: Path) -> list[str]:
    return sorted(path.name for path in (results / "results_clicked").glob("*/commit=*"))

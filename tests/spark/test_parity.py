"""Scores from the cluster equal those over REST, and its rows equal those in the database."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

import problems
from db.engine import database_url, open_database
from spark.source_files import SourceFiles
from tests.spark.cluster_scoring import SparkScore, read_results
from tests.support.databases import new_postgres_database, query
from tests.support.project import SAMPLE_OFFERS
from tests.support.scoring import score
from tests.support.source_files import load_source
from tests.support.trained import TrainedStore

TOLERANCE = 1e-9


def read_frame(database: str | Path, table: str, *columns: str) -> pd.DataFrame:
    names = ", ".join(columns)
    rows = query(database, f"SELECT {names} FROM {table} ORDER BY {columns[0]}")
    return pd.DataFrame(rows, columns=list(columns))


def assert_same(
    on_cluster: pd.DataFrame, over_rest: pd.DataFrame, key: str, probability: str
) -> float:
    """Assert that two frames are equal within the tolerance; returns the largest difference."""
    scores = on_cluster.sort_values(key).reset_index(drop=True)[list(over_rest.columns)]
    difference = np.abs(scores[probability] - over_rest[probability]).max()
    assert difference <= TOLERANCE
    rest = over_rest.columns.drop(probability)
    pd.testing.assert_frame_equal(scores[rest], over_rest[rest], check_dtype=False)
    return float(difference)


def test_offers_are_scored_as_over_rest(scored: Path, sample_database: str, champion: str) -> None:
    assert score(sample_database, champion) == 0
    problem = problems.load()
    results = problem.scoring.results
    columns = (
        results.key_column,
        *results.value_columns.values(),
        results.outcome_column,
        results.probability_column,
    )
    over_rest = read_frame(sample_database, "results_clicked", *columns)
    assert len(over_rest) == SAMPLE_OFFERS
    difference = assert_same(read_results(scored), over_rest, "offer_id", "click_probability")
    print(f"parity with REST on {SAMPLE_OFFERS:,} offers: largest difference {difference:.1e}")


CASES = {
    "offers": ("offer_click", ()),
    "offers with an optional column": ("offer_click", ("lender_id",)),
    "loans, whose key is their content": ("loan_risk", ()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_row_query_returns_the_same_rows_on_spark_and_in_the_database(
    case: str, cluster: SparkSession, tmp_path: Path
) -> None:
    name, optional = CASES[case]
    problem = problems.load(name).with_optional_columns(optional)
    assert problem.sample_folder
    source = Path(shutil.copytree(problem.sample_folder, tmp_path / "source"))
    for loans in source.glob("*.csv"):
        rows = pd.read_csv(loans)
        rows = pd.concat([rows, rows.head(5), rows.head(5)])  # numbered in their order
        rows.to_parquet(loans.with_suffix(".parquet"))
        loans.unlink()
    database = f"sqlite:///{tmp_path / 'loaded.db'}"
    assert load_source(source, database, "--problem", name) == 0
    with open_database(database_url(database)) as engine, engine.connect() as connection:
        expected = pd.read_sql(problem.scoring.rows, connection)
    with closing(SourceFiles(cluster, problem, str(source), max_rejected=0.01)) as files:
        files.check()
        files.select_rows().write.parquet(str(tmp_path / "selected"))
    key = problem.scoring.key.name
    selected = pd.read_parquet(tmp_path / "selected").sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(
        selected[list(expected.columns)],
        expected.sort_values(key, ignore_index=True),
        check_dtype=False,
    )
    if name == "loan_risk":
        assert expected[key].str.endswith("-3").sum() == 5


@pytest.fixture
def over_network(trained: TrainedStore, tcp_postgres: str) -> str:
    """A PostgreSQL database with the sample, reached by its network address."""
    address = new_postgres_database(tcp_postgres)
    trained.load_into(address)
    return address


def test_rows_read_over_jdbc_are_marked_as_trained_on(
    spark_score: SparkScore,
    over_network: str,
    champion: str,
    tmp_path: Path,
) -> None:
    assert score(over_network, champion) == 0
    assert spark_score("", tmp_path / "scores", "--database", over_network) == 0
    columns = ("offer_id", "trained_on", "clicked", "click_probability")
    over_rest = read_frame(over_network, "results_clicked", *columns)
    assert_same(read_results(tmp_path / "scores"), over_rest, "offer_id", "click_probability")
    assert 0.7 < over_rest["trained_on"].mean() < 0.8

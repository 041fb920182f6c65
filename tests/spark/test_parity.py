"""What the cluster says of a row is what the served model says, and what the tables say of it."""

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

AS_EQUAL = 1e-9


def frame(database: str | Path, table: str, *columns: str) -> pd.DataFrame:
    names = ", ".join(columns)
    rows = query(database, f"SELECT {names} FROM {table} ORDER BY {columns[0]}")
    return pd.DataFrame(rows, columns=list(columns))


def assert_same(
    on_cluster: pd.DataFrame, over_rest: pd.DataFrame, key: str, probability: str
) -> float:
    """The same rows, words and values, and probabilities as equal; returns how far apart."""
    mine = on_cluster.sort_values(key).reset_index(drop=True)[list(over_rest.columns)]
    apart = np.abs(mine[probability] - over_rest[probability]).max()
    assert apart <= AS_EQUAL
    rest = over_rest.columns.drop(probability)
    pd.testing.assert_frame_equal(mine[rest], over_rest[rest], check_dtype=False)
    return float(apart)


def test_offers_are_scored_as_over_rest(scored: Path, sample_database: str, champion: str) -> None:
    assert score(sample_database, champion) == 0
    problem = problems.load()
    kept = problem.scoring.results
    columns = (
        kept.key_column,
        *kept.value_columns.values(),
        kept.outcome_column,
        kept.probability_column,
    )
    over_rest = frame(sample_database, "results_clicked", *columns)
    assert len(over_rest) == SAMPLE_OFFERS
    apart = assert_same(read_results(scored), over_rest, "offer_id", "click_probability")
    print(f"parity with REST on {SAMPLE_OFFERS:,} offers: at most {apart:.1e} apart")


SELECTED = {
    "offers": ("offer_click", ()),
    "offers with an optional column": ("offer_click", ("lender_id",)),
    "loans, whose key is their content": ("loan_risk", ()),
}


@pytest.mark.parametrize("case", SELECTED)
def test_the_row_select_finds_on_spark_what_it_finds_in_the_database(
    case: str, cluster: SparkSession, tmp_path: Path
) -> None:
    name, optional = SELECTED[case]
    problem = problems.load(name).with_optional_columns(optional)
    assert problem.sample_folder
    source = Path(shutil.copytree(problem.sample_folder, tmp_path / "source"))
    for loans in source.glob("*.csv"):
        rows = pd.read_csv(loans)
        rows = pd.concat([rows, rows.head(5), rows.head(5)])  # told apart by how many came before
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
    found_here = pd.read_parquet(tmp_path / "selected").sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(
        found_here[list(expected.columns)],
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


def test_a_database_is_read_by_jdbc_and_known_to_be_what_was_learned_from(
    spark_score: SparkScore,
    over_network: str,
    champion: str,
    tmp_path: Path,
) -> None:
    assert score(over_network, champion) == 0
    assert spark_score("", tmp_path / "scores", "--database", over_network) == 0
    columns = ("offer_id", "trained_on", "clicked", "click_probability")
    over_rest = frame(over_network, "results_clicked", *columns)
    assert_same(read_results(tmp_path / "scores"), over_rest, "offer_id", "click_probability")
    assert 0.7 < over_rest["trained_on"].mean() < 0.8

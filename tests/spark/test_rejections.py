"""Rows are rejected by the rules of ingest.py, or by the model as over REST."""

import json
import shutil
from collections import Counter
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

import problems
from registry import registration, versions
from tests.spark.cluster_scoring import (
    SparkScore,
    assert_each_row_scored_once,
    list_commits,
    read_results,
)
from tests.support.databases import copy_sqlite, query
from tests.support.model_server import model_server
from tests.support.project import MODEL
from tests.support.scoring import score
from tests.support.source_files import CLICKS, LEADS, OFFERS, edit_parquet, load_source, set_value
from tests.support.trained import StoreCopy
from training import canaries

UNKNOWN_PURPOSE = "home_improvement"


@pytest.fixture
def picky(store: StoreCopy, small_source: Path) -> str:
    """The URI of a version that fails on rows with an unknown loan purpose."""
    problem, champion = problems.load(), versions.resolve(store.client, f"{MODEL}@champion")
    leads, offers = (pd.read_parquet(small_source / file) for file in (LEADS, OFFERS))
    rows = offers.merge(leads)[problem.feature_names].dropna()
    rows = rows[rows["loan_purpose"] != UNKNOWN_PURPOSE]
    known = [sorted(rows["loan_purpose"].unique())]
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), problem.numbers),
            ("texts", OrdinalEncoder(categories=known), ["loan_purpose"]),
        ]
    )
    pipeline = Pipeline([("columns", columns), ("model", LogisticRegression(max_iter=1_000))])
    pipeline.fit(rows, np.arange(len(rows)) % 2)
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_experiment("picky")
    with mlflow.start_run():
        model = registration.log_model(
            problem,
            "picky",
            pipeline,
            rows.head(3),
            threshold=0.5,
            canary=canaries.record_canary(pipeline, rows.head(3)),
            trained_on=champion.trained_on,
            cross_validated_gain={},
            params={},
        )
        return f"models:/{MODEL}/{registration.register(problem, model, {}, '').version}"


def test_rows_that_a_model_fails_on_are_rejected_as_over_rest(
    spark_score: SparkScore,
    picky: str,
    store: StoreCopy,
    small_source: Path,
    small_template: Path,
    small_offers: int,
    tmp_path: Path,
) -> None:
    database, results = copy_sqlite(small_template, tmp_path / "offers.db"), tmp_path / "scores"
    flags = ("--model", picky, "--max-rejected", 0.1)
    with model_server(store.uri, picky) as url:
        assert score(database, url, *flags) == 0
    assert spark_score(small_source, results, *flags) == 0
    over_rest = query(database, "SELECT offer_id FROM results_clicked_rejected ORDER BY offer_id")
    rejected = read_results(results, outcome="rejected").sort_values("offer_id")
    assert len(over_rest) > 10
    assert [(offer,) for offer in rejected["offer_id"]] == over_rest
    # the reason is the error of the model, without the values that it quotes
    reasons = set(rejected["reason"])
    assert "Found unknown categories ['…'] in column 0 during transform" in reasons
    assert UNKNOWN_PURPOSE not in str(reasons)
    assert rejected["click_probability"].isna().all()
    assert len(read_results(results)) == small_offers - len(over_rest)


def test_a_run_stops_after_the_commit_that_exceeds_max_rejected(
    spark_score: SparkScore,
    picky: str,
    small_source: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "scores"
    flags = ("--model", picky, "--max-rejected", 0.0001, "--commit-rows", 700)
    assert spark_score(small_source, results, *flags) == 5
    output = capfd.readouterr()
    assert "rejects more rows than --max-rejected allows" in output.err
    assert "Found unknown categories" in output.out
    assert list_commits(results) == ["commit=000001"]
    assert UNKNOWN_PURPOSE not in output.out + output.err


def test_replay_scores_rejected_rows_again(
    spark_score: SparkScore,
    small_source: Path,
    small_offers: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "scores"
    assert spark_score(small_source, results, "--limit", 10) == 0
    (commit,) = (results / "results_clicked").glob("*/commit=000001")
    rejected = read_results(results).drop(columns=["model_id", "commit", "outcome", "trained_on"])
    shutil.rmtree(commit)
    (commit / "outcome=rejected").mkdir(parents=True)
    rejected.assign(reason="no such amount", click_probability=np.nan).to_parquet(
        commit / "outcome=rejected" / "part.parquet"
    )
    assert spark_score(small_source, results) == 0
    assert len(read_results(results)) == small_offers - 10
    assert "no such amount" in capfd.readouterr().out
    assert spark_score(small_source, results, "--replay", "--dry-run") == 0
    counts = capfd.readouterr().out.partition("Rejected")[0].split()[-3:]
    assert counts == ["10", "0", "10"]  # rejected, pending, would score
    assert spark_score(small_source, results, "--replay") == 0
    assert_each_row_scored_once(results, small_offers)
    assert "no such amount" not in capfd.readouterr().out.rpartition("this run")[2]


def add_bad_rows(source: Path) -> None:
    """Add bad rows of every kind to the tables that are scored."""
    edit_parquet(source, LEADS, set_value("annual_income", 3, -1.0))
    edit_parquet(source, LEADS, set_value("requested", 4, np.inf))
    edit_parquet(source, LEADS, lambda f: pd.concat([f, f.iloc[[5, 6]].assign(credit="other")]))
    edit_parquet(source, OFFERS, set_value("apr", 11, -5.0))
    edit_parquet(source, OFFERS, set_value("lead_uuid", 12, "nobody"))
    edit_parquet(source, OFFERS, set_value("lead_uuid", 13, None))
    edit_parquet(source, OFFERS, lambda f: pd.concat([f, f.iloc[[20, 21, 21]].assign(apr=1.0)]))


def test_bad_rows_of_the_source_are_rejected_as_by_ingest(
    spark_score: SparkScore,
    source: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    add_bad_rows(source)
    database, results = f"sqlite:///{tmp_path / 'ours.db'}", tmp_path / "scores"
    (source / CLICKS).rename(tmp_path / CLICKS)
    flags = ("--max-rejected", 0.5)
    assert spark_score(source, results, *flags) == 0  # scoring needs no clicks
    output = capfd.readouterr().out
    (tmp_path / CLICKS).rename(source / CLICKS)
    assert load_source(source, database, *flags) == 0
    columns = "SELECT table_name, reason, row_number, row_values FROM rejected_rows "
    ingested = query(database, columns + "WHERE table_name <> 'clicks'")
    (folder,) = (results / "rejected_rows").iterdir()
    rejected = pd.read_parquet(folder)
    assert Counter(zip(rejected["table_name"], rejected["reason"], strict=True)) == Counter(
        (table, reason) for table, reason, *_ in ingested
    )
    assert sorted(zip(rejected["table_name"], rejected["row_number"], strict=True)) == sorted(
        (table, number) for table, _, number, _ in ingested
    )
    by_row = {(table, number): values for table, _, number, values in ingested}
    for row in rejected.itertuples():
        assert json.loads(str(row.row_values)) == json.loads(by_row[row.table_name, row.row_number])
    assert "annual_income is negative" in output
    assert "lead_uuid is not in leads" in output
    offers = query(database, "SELECT offer_id, apr FROM offers JOIN leads USING (lead_uuid)")
    scored = read_results(results)
    assert sorted(zip(scored["offer_id"], scored["apr"], strict=True)) == sorted(offers)


def test_nothing_is_scored_if_too_many_rows_are_bad(
    spark_score: SparkScore,
    source: Path,
    small_offers: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    edit_parquet(source, OFFERS, lambda f: f.assign(apr=f["apr"].where(f.index % 50 > 0, -1)))
    assert spark_score(source, tmp_path / "scores") == 2
    error = capfd.readouterr().err
    rows = f"{small_offers:,} rows of ds_offers.parquet.gzip"
    assert f"More than 1.00% of the {rows} are invalid" in error
    assert "apr is negative" in error
    assert "nothing was scored" in error
    assert not (tmp_path / "scores" / "results_clicked").exists()
    edit_parquet(source, OFFERS, lambda f: f.assign(apr=1.0, lead_uuid="nobody"))
    assert spark_score(source, tmp_path / "scores") == 2
    assert f"lead_uuid is not in leads: {small_offers:,}" in capfd.readouterr().err

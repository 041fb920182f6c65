"""The optional column lender_id is used in training, serving and scoring only on request."""

from pathlib import Path
from types import ModuleType

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

import promote
import train
from db.engine import database_url, open_database
from problems import load
from registry import versions
from tests.support.databases import query
from tests.support.datasets import TINY_PROBLEM
from tests.support.empty_store import copy_empty_store
from tests.support.model_server import model_server
from tests.support.scoring import score
from tests.support.scripts import run_main
from tests.support.source_files import CLICKS, OFFERS, edit_parquet, load_source
from training import dataset

PROBLEM = load(str(TINY_PROBLEM))
CHAMPION = f"models:/{PROBLEM.model_name}@champion"
FLAGS = ("--problem", TINY_PROBLEM)
RESULTS = "SELECT count(*), count(DISTINCT offer_id) FROM results_clicked"


@pytest.fixture
def folder(generator: ModuleType, tmp_path: Path) -> Path:
    """Leads who click only the offers of one lender."""
    folder = tmp_path / "source"
    generator.write(folder, leads=800, seed=4)
    offers = pd.read_parquet(folder / OFFERS)
    clicked = (offers["lender_id"] == 327) & (np.random.default_rng(0).random(len(offers)) < 0.6)
    clicks = pd.DataFrame(
        {"offer_id": offers.loc[clicked, "offer_id"], "clicked_at": pd.Timestamp("2026-11-02")}
    )
    clicks.to_parquet(folder / CLICKS, index=False)
    return folder


@pytest.fixture
def store(
    folder: Path,
    sqlite_database: str,
    shared_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """An MLflow store whose champion was trained with the lenders in the SQLite database."""
    uri = copy_empty_store(shared_folder, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert load_source(folder, sqlite_database, *FLAGS) == 0
    small = ("--folds", 2, "--repeats", 1, "--jobs", 1)
    database = ("--database", sqlite_database)
    assert run_main(train.main, *FLAGS, *database, *small, "--also", "lender_id") == 0
    assert run_main(promote.main, *FLAGS, *database) == 0
    return uri


def test_a_version_with_an_optional_column_is_served_and_scored(
    store: str, sqlite_database: str, folder: Path
) -> None:
    version = versions.resolve(MlflowClient(store), CHAMPION)
    assert version.features == (*PROBLEM.feature_names, "lender_id")
    ((offers,),) = query(sqlite_database, "SELECT count(*) FROM offers")
    with model_server(store, CHAMPION) as url:
        assert score(sqlite_database, url, *FLAGS) == 0
        assert query(sqlite_database, RESULTS) == [(offers, offers)]
        assert_scored_by_lender(sqlite_database, version)

        edit_parquet(folder, OFFERS, change_lender_of_ten_rows)
        assert load_source(folder, sqlite_database, *FLAGS, "--add") == 0
        ((remaining, _),) = query(sqlite_database, RESULTS)
        assert offers - 10 <= remaining < offers  # changed rows lose their results
        assert score(sqlite_database, url, *FLAGS) == 0
        assert query(sqlite_database, RESULTS) == [(offers, offers)]


def assert_scored_by_lender(database: str, version: versions.RegisteredVersion) -> None:
    problem = PROBLEM.with_optional_columns(["lender_id"])
    with open_database(database_url(database)) as engine:
        raw = dataset.read(engine, problem).raw
    expected = mlflow.pyfunc.load_model(version.uri).predict(raw[problem.feature_names])[:, 1]
    stored = dict(query(database, "SELECT offer_id, click_probability FROM results_clicked"))
    assert [stored[offer] for offer in raw["offer_id"]] == pytest.approx(expected, abs=1e-9)
    other_lenders = raw["lender_id"] != "327"
    assert expected[~other_lenders].mean() > 10 * expected[other_lenders].mean()


def change_lender_of_ten_rows(offers: pd.DataFrame) -> pd.DataFrame:
    offers.loc[:9, "lender_id"] = 240
    return offers


def test_it_is_off_by_default() -> None:
    problem = load()
    assert "lender_id" not in problem.feature_names
    assert "lender_id" in problem.with_optional_columns(["lender_id"]).feature_names
    assert problem.with_optional_columns([]).feature_names == problem.feature_names

"""An optional column, lender_id: trained on, served, scored and minded by ingest, if asked for."""

import shutil
from pathlib import Path
from types import ModuleType

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

import ingest
import problems
import promote
import train
from db.engine import database_url, opened
from modeling import dataset
from registry import versions
from tests.helpers import query, run_main, score
from tests.servers import serving

PROBLEM = problems.load()


@pytest.fixture
def source(generator: ModuleType, tmp_path: Path) -> Path:
    """Leads who click what one lender offers, whatever it is."""
    folder = tmp_path / "source"
    generator.write(folder, leads=1_500, seed=4)
    offers = pd.read_parquet(folder / "ds_offers.parquet.gzip")
    clicked = (offers["lender_id"] == 327) & (np.random.default_rng(0).random(len(offers)) < 0.6)
    clicks = pd.DataFrame(
        {"offer_id": offers.loc[clicked, "offer_id"], "clicked_at": pd.Timestamp("2026-11-02")}
    )
    clicks.to_parquet(folder / "ds_clicks.parquet.gzip", index=False)
    return folder


def test_a_version_with_an_optional_column_is_served_and_scored(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, uri = tmp_path / "lenders.db", f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    where = ("--database", database)
    assert run_main(ingest.main, "--source", source, *where) == 0
    assert run_main(train.main, *where, "--quick", "--also", "lender_id") == 0
    assert run_main(promote.main, *where) == 0
    version = versions.resolve(MlflowClient(), "models:/offer-click@champion")
    assert version.features == (*PROBLEM.feature_names, "lender_id")
    with serving("models:/offer-click@champion", uri, tmp_path / "server.log") as url:
        assert score(database, url) == 0
        rows = "SELECT count(*), count(DISTINCT offer_id) FROM results_clicked"
        ((offers,),) = query(database, "SELECT count(*) FROM offers")
        assert query(database, rows) == [(offers, offers)]
        problem = PROBLEM.including(["lender_id"])
        with opened(database_url(str(database))) as engine:
            raw = dataset.read(engine, problem).raw
        served = mlflow.pyfunc.load_model(version.uri)
        expected = served.predict(raw[problem.feature_names])[:, 1]
        stored = dict(query(database, "SELECT offer_id, click_probability FROM results_clicked"))
        assert [stored[offer] for offer in raw["offer_id"]] == pytest.approx(expected, abs=1e-9)
        other = raw["lender_id"] != "327"
        assert expected[~other].mean() > 10 * expected[other].mean()

        changed = Path(shutil.copytree(source, tmp_path / "changed"))
        rows_of_offers = pd.read_parquet(changed / "ds_offers.parquet.gzip")
        rows_of_offers.loc[:9, "lender_id"] = 240
        rows_of_offers.to_parquet(changed / "ds_offers.parquet.gzip", index=False)
        before = len(stored)
        assert run_main(ingest.main, "--source", changed, *where, "--add") == 0
        ((left,),) = query(database, "SELECT count(*) FROM results_clicked")
        assert before - 10 <= left < before  # what changed is to be scored again
        assert score(database, url) == 0
        assert query(database, rows) == [(offers, offers)]


def test_it_is_off_unless_asked_for() -> None:
    assert "lender_id" not in PROBLEM.feature_names
    assert "lender_id" in PROBLEM.including(["lender_id"]).feature_names
    assert PROBLEM.including([]).feature_names == PROBLEM.feature_names

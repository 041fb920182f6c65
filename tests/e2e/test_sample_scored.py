"""Score the whole sample through a real `mlflow models serve`, and compare with one process."""

from collections.abc import Iterator

import mlflow
import numpy as np
import pandas as pd
import pytest

import problems
from db.engine import database_url, open_database
from tests.support.databases import assert_every_offer_scored_once
from tests.support.scoring import score
from tests.support.servers import mlflow_models_serve
from tests.support.trained import TrainedStore
from training import dataset

PROBLEM = problems.load()


@pytest.fixture(scope="module")
def served_champion(trained: TrainedStore) -> Iterator[str]:
    """Run a real `mlflow models serve` with the champion; yields its address."""
    log = trained.folder / "served_champion.log"
    uri = "models:/offer-click@champion"
    with mlflow_models_serve(uri, trained.tracking_uri, log) as url:
        yield url


def test_every_offer_is_scored_once_as_the_model_scores_it_in_one_process(
    sample_databases: str, trained: TrainedStore, served_champion: str
) -> None:
    assert score(sample_databases, served_champion) == 0
    version = trained.version()
    assert_every_offer_scored_once(sample_databases, version.model_id)
    with open_database(database_url(sample_databases)) as engine:
        data = dataset.read(engine, PROBLEM)
        results = pd.read_sql("SELECT * FROM results_clicked ORDER BY offer_id", engine)
    model = mlflow.pyfunc.load_model(version.uri)
    expected = model.predict(data.raw[PROBLEM.feature_names])[:, 1]
    probability = results["click_probability"].to_numpy()
    np.testing.assert_allclose(probability, expected, rtol=1e-9)
    labels = np.where(probability >= version.threshold, "Clicked", "Not clicked")
    assert results["clicked"].tolist() == labels.tolist()
    assert set(results["source"]) == {"batch"}
    np.testing.assert_array_equal(results["trained_on"].astype(bool), ~data.held_out_mask)
    for feature, column in PROBLEM.scoring.results.value_columns.items():
        pd.testing.assert_series_equal(
            results[column], data.raw[feature], check_names=False, check_dtype=False
        )

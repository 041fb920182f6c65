"""`FastModel` gives exactly the probabilities of the trained pipelines."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer

from registry import versions
from scorecard.build import TOLERANCE
from serving.fast_predict import FastModel
from serving.model_versions import load_version
from tests.support.project import MODEL
from tests.support.request_bodies import COLUMNS, NUMBERS
from tests.support.trained import TrainedStore

OFFERS = 10_000


def fail(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("the ColumnTransformer was used")


def test_the_champion_is_answered_by_its_scorecard(
    trained: TrainedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    version = versions.resolve(mlflow.MlflowClient(), f"models:/{MODEL}@champion")
    loaded = load_version(version)
    assert loaded.model.uses_scorecard
    frame = offers_with_missing_values(trained)
    expected = mlflow.pyfunc.load_model(version.uri).get_raw_model().predict_proba(frame)
    monkeypatch.setattr(ColumnTransformer, "transform", fail)
    probabilities = loaded.model.predict(frame)
    assert np.abs(probabilities - expected).max() <= TOLERANCE
    alone = [loaded.model.predict(frame[i : i + 1])[0] for i in range(20)]
    np.testing.assert_array_equal(probabilities[:20], alone)


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_trained_candidates_predict_without_data_frames_to_the_last_bit(
    number: str, trained: TrainedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    version = versions.resolve(mlflow.MlflowClient(), f"models:/{MODEL}/{number}")
    model = mlflow.pyfunc.load_model(version.uri)
    canary = pd.DataFrame(list(version.canary.rows), columns=COLUMNS)
    fast_model = FastModel(model, canary.astype(dict.fromkeys(NUMBERS, "float64")))
    frame = offers_with_missing_values(trained)
    expected = model.get_raw_model().predict_proba(frame)
    monkeypatch.setattr(ColumnTransformer, "transform", fail)
    np.testing.assert_array_equal(fast_model.predict(frame), expected)
    np.testing.assert_array_equal(fast_model.predict(frame[:1]), expected[:1])


def offers_with_missing_values(trained: TrainedStore) -> pd.DataFrame:
    """Served rows of the sample with a tenth of the values missing."""
    query = (
        "SELECT requested, loan_purpose, credit, annual_income, apr "
        f"FROM leads JOIN offers ON leads.lead_uuid = offers.lead_uuid LIMIT {OFFERS}"
    )
    offers = pd.read_sql(query, f"sqlite:///{trained.database}")
    assert len(offers) == OFFERS
    return offers.mask(np.random.default_rng(1).random(offers.shape) < 0.1)

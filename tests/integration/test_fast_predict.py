"""The short way from rows to probabilities answers as the whole pipeline does, to the last bit."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer

from registry import versions
from serving.fast_predict import FastModel
from tests.support.project import MODEL
from tests.support.request_bodies import COLUMNS, NUMBERS
from tests.support.trained import TrainedStore

OFFERS = 10_000


def refuse(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("the long way was taken")


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_our_candidates_answer_by_the_short_way_to_the_last_bit(
    number: str, trained: TrainedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    version = versions.resolve(mlflow.MlflowClient(), f"models:/{MODEL}/{number}")
    model = mlflow.pyfunc.load_model(version.uri)
    canary = pd.DataFrame(list(version.canary.rows), columns=COLUMNS)
    short = FastModel(model, canary.astype(dict.fromkeys(NUMBERS, "float64")))
    frame = offers_with_holes(trained)
    expected = model.get_raw_model().predict_proba(frame)
    monkeypatch.setattr(ColumnTransformer, "transform", refuse)
    np.testing.assert_array_equal(short.predict(frame), expected)
    np.testing.assert_array_equal(short.predict(frame[:1]), expected[:1])


def offers_with_holes(trained: TrainedStore) -> pd.DataFrame:
    """Offers of the sample as served, with one value in ten missing."""
    query = (
        "SELECT requested, loan_purpose, credit, annual_income, apr "
        f"FROM leads JOIN offers ON leads.lead_uuid = offers.lead_uuid LIMIT {OFFERS}"
    )
    offers = pd.read_sql(query, f"sqlite:///{trained.database}")
    assert len(offers) == OFFERS
    return offers.mask(np.random.default_rng(1).random(offers.shape) < 0.1)

"""The short way from rows to probabilities answers as the whole pipeline does, to the last bit."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc import PyFuncModel
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from registry import versions
from server import quick
from server.quick import Quick
from tests.support.project import MODEL
from tests.support.request_bodies import COLUMNS, FRAME, NUMBERS
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
    short = Quick(model, canary.astype(dict.fromkeys(NUMBERS, "float64")))
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


def fit_and_load(columns: ColumnTransformer, folder: Path) -> tuple[PyFuncModel, pd.DataFrame]:
    """A pipeline, fitted and loaded as a server loads it, and the rows that it was fitted on."""
    rows = FRAME[NUMBERS].fillna(0.0)
    pipeline = Pipeline([("columns", columns), ("model", LogisticRegression())])
    pipeline.fit(rows, [0, 1, 0])
    mlflow.sklearn.save_model(
        pipeline,
        folder,
        signature=mlflow.models.infer_signature(rows),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
    )
    return mlflow.pyfunc.load_model(str(folder)), rows


def test_a_part_that_needs_names_is_asked_the_long_way(tmp_path: Path) -> None:
    within = ColumnTransformer([("scaled", StandardScaler(), ["apr"])])
    columns = ColumnTransformer([("within", within, NUMBERS)])
    model, rows = fit_and_load(columns, tmp_path / "model")
    expected = model.get_raw_model().predict_proba(rows)
    np.testing.assert_array_equal(Quick(model, rows).predict(rows), expected)


def test_a_short_way_that_differs_in_the_last_bit_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = ColumnTransformer([("scaled", StandardScaler(), NUMBERS)])
    model, rows = fit_and_load(columns, tmp_path / "model")

    def nearly(pipeline: Pipeline) -> quick.Answers:
        def answers(frame: pd.DataFrame) -> Any:
            return np.nextafter(pipeline.predict_proba(frame), 1)

        return answers

    monkeypatch.setattr(quick, "shortened", nearly)
    expected = model.get_raw_model().predict_proba(rows)
    np.testing.assert_array_equal(Quick(model, rows).predict(rows), expected)

"""The short way through a pipeline is taken where it gives the same answers, and only there."""

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
from tests.asking import COLUMNS, FRAME, NUMBERS
from tests.helpers import MODEL, Trained


def refuse(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("the long way was taken")


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_our_candidates_answer_by_the_short_way_to_the_last_bit(
    number: str, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    version = versions.resolve(mlflow.MlflowClient(), f"models:/{MODEL}/{number}")
    model = mlflow.pyfunc.load_model(version.uri)
    canary = pd.DataFrame(list(version.canary.rows), columns=COLUMNS)
    made = Quick(model, canary.astype(dict.fromkeys(NUMBERS, "float64")))
    frame = offers_with_holes(trained)
    expected = model.get_raw_model().predict_proba(frame)
    monkeypatch.setattr(ColumnTransformer, "transform", refuse)
    np.testing.assert_array_equal(made.predict(frame), expected)
    np.testing.assert_array_equal(made.predict(frame[:1]), expected[:1])


def offers_with_holes(trained: Trained) -> pd.DataFrame:
    """The sample's offers as served, with one value in ten missing."""
    query = (
        "SELECT requested, loan_purpose, credit, annual_income, apr "
        "FROM leads JOIN offers ON leads.lead_uuid = offers.lead_uuid"
    )
    found = pd.read_sql(query, f"sqlite:///{trained.database}")
    chance = np.random.default_rng(1)
    return found.mask(chance.random(found.shape) < 0.1)


def saved(pipeline: Pipeline, folder: Path) -> PyFuncModel:
    """The pipeline, fitted and loaded as a server loads it."""
    rows = FRAME[NUMBERS].fillna(0.0)
    pipeline.fit(rows, [0, 1, 0])
    mlflow.sklearn.save_model(
        pipeline,
        folder,
        signature=mlflow.models.infer_signature(rows),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
    )
    return mlflow.pyfunc.load_model(str(folder))


def test_a_part_that_needs_names_is_asked_the_long_way(tmp_path: Path) -> None:
    within = ColumnTransformer([("scaled", StandardScaler(), ["apr"])])
    columns = ColumnTransformer([("within", within, NUMBERS)])
    model = saved(Pipeline([("columns", columns), ("model", LogisticRegression())]), tmp_path / "m")
    rows = FRAME[NUMBERS].fillna(0.0)
    expected = model.get_raw_model().predict_proba(rows)
    np.testing.assert_array_equal(Quick(model, rows).predict(rows), expected)


def test_a_short_way_that_differs_in_the_last_bit_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = ColumnTransformer([("scaled", StandardScaler(), NUMBERS)])
    model = saved(Pipeline([("columns", columns), ("model", LogisticRegression())]), tmp_path / "m")

    def nearly(pipeline: Pipeline) -> quick.Answers:
        def answers(frame: pd.DataFrame) -> Any:
            return np.nextafter(pipeline.predict_proba(frame), 1)

        return answers

    monkeypatch.setattr(quick, "shortened", nearly)
    rows = FRAME[NUMBERS].fillna(0.0)
    expected = model.get_raw_model().predict_proba(rows)
    np.testing.assert_array_equal(Quick(model, rows).predict(rows), expected)

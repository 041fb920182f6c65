"""`FastModel` predicts on arrays only if the results are equal to those of the pipeline."""

from pathlib import Path
from typing import Any, NoReturn

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc import PyFuncModel
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from serving import fast_predict
from serving.fast_predict import FastModel, InvalidProbabilities

NUMBERS, TEXTS = ["amount", "income"], ["purpose"]
ROWS = pd.DataFrame(
    {
        "amount": [1500.0, 8000.0, 3000.0, 200.0],
        "income": [42000.0, 1e5, 0.0, 5000.0],
        "purpose": ["auto", "moon", "auto", "other"],
    }
)
WITH_MISSING = pd.DataFrame(
    {
        "amount": [np.nan, 1.0, 2.0, np.nan],
        "income": [1.0, np.nan, 3.0, np.nan],
        "purpose": [None, "moon", "never seen", None],
    }
)
LABELS = [0, 1, 0, 1]


def pipeline_of(*columns: tuple[str, Any, Any], sparse_threshold: float = 0) -> Pipeline:
    """A fitted pipeline of a ColumnTransformer with these parts, and of a model."""
    transformer = ColumnTransformer([*columns], sparse_threshold=sparse_threshold)
    steps = [("columns", transformer), ("model", LogisticRegression())]
    return Pipeline(steps).fit(ROWS, LABELS)


def imputed_and_scaled() -> Pipeline:
    return make_pipeline(SimpleImputer(), StandardScaler())


def encoded(*, sparse: bool) -> Pipeline:
    """A typical pipeline, with a sparse or a dense feature matrix."""
    return pipeline_of(
        ("numbers", imputed_and_scaled(), NUMBERS),
        ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS),
        ("dropped", "drop", ["income"]),
        sparse_threshold=float(sparse),
    )


def nested() -> Pipeline:
    """A pipeline with a transformer that selects its columns by name."""
    inner = ColumnTransformer([("income", imputed_and_scaled(), ["income"])])
    return pipeline_of(("inner", inner, NUMBERS))


def load_as_served(pipeline: Pipeline, folder: Path) -> PyFuncModel:
    """Save the pipeline, and load it like a server."""
    mlflow.sklearn.save_model(
        pipeline,
        folder / "model",
        signature=mlflow.models.infer_signature(ROWS),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
        skops_trusted_types=["numpy.dtype"],
    )
    return mlflow.pyfunc.load_model(str(folder / "model"))


def fail(*_args: object, **_kwargs: object) -> NoReturn:
    raise AssertionError("the ColumnTransformer was used")


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_predictions_without_data_frames_are_equal_to_the_last_bit(*, sparse: bool) -> None:
    pipeline = encoded(sparse=sparse)
    assert pipeline[0].sparse_output_ == sparse
    predict_proba = fast_predict.without_data_frames(pipeline)
    assert predict_proba
    for rows in (ROWS, WITH_MISSING, WITH_MISSING[:1]):
        np.testing.assert_array_equal(predict_proba(rows), pipeline.predict_proba(rows))


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        pipeline_of(("numbers", StandardScaler(), slice(0, 2))),
        pipeline_of(("number", FunctionTransformer(pd.Series.to_frame), "amount")),
    ],
    ids=["no pipeline", "no columns", "columns by position", "a single column"],
)
def test_pipelines_without_lists_of_column_names_are_not_converted(model: Any) -> None:
    assert fast_predict.without_data_frames(model) is None


def test_a_model_predicts_without_data_frames_if_the_results_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_as_served(encoded(sparse=True), tmp_path)
    expected = model.get_raw_model().predict_proba(WITH_MISSING)
    fast_model = FastModel(model, ROWS)
    monkeypatch.setattr(ColumnTransformer, "transform", fail)
    np.testing.assert_array_equal(fast_model.predict(WITH_MISSING), expected)
    np.testing.assert_array_equal(
        fast_model.predict(WITH_MISSING[WITH_MISSING.columns[::-1]]), expected
    )


def test_a_model_with_a_part_that_needs_column_names_uses_the_pipeline(tmp_path: Path) -> None:
    model = load_as_served(nested(), tmp_path)
    assert fast_predict.without_data_frames(model.get_raw_model())
    expected = model.get_raw_model().predict_proba(WITH_MISSING)
    np.testing.assert_array_equal(FastModel(model, ROWS).predict(WITH_MISSING), expected)


def test_a_model_uses_the_pipeline_if_the_results_differ_in_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_as_served(encoded(sparse=True), tmp_path)

    def almost_equal(pipeline: Pipeline) -> fast_predict.PredictProba:
        return lambda frame: np.nextafter(pipeline.predict_proba(frame), 1)

    monkeypatch.setattr(fast_predict, "without_data_frames", almost_equal)
    expected = model.get_raw_model().predict_proba(WITH_MISSING)
    np.testing.assert_array_equal(FastModel(model, ROWS).predict(WITH_MISSING), expected)


def test_probabilities_that_are_not_finite_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast_model = FastModel(load_as_served(encoded(sparse=True), tmp_path), ROWS)
    monkeypatch.setattr(
        LogisticRegression, "predict_proba", lambda _, rows: np.full((rows.shape[0], 2), np.nan)
    )
    with pytest.raises(InvalidProbabilities):
        fast_model.predict(ROWS)

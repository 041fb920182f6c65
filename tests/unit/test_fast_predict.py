"""The short way through a pipeline is taken where it gives the same answers, and only there."""

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
HOLES = pd.DataFrame(
    {
        "amount": [np.nan, 1.0, 2.0, np.nan],
        "income": [1.0, np.nan, 3.0, np.nan],
        "purpose": [None, "moon", "never seen", None],
    }
)
LABELS = [0, 1, 0, 1]


def pipeline_of(*columns: tuple[str, Any, Any], sparse_threshold: float = 0) -> Pipeline:
    """A fitted pipeline of these transformers of columns, and of a model."""
    transformer = ColumnTransformer([*columns], sparse_threshold=sparse_threshold)
    steps = [("columns", transformer), ("model", LogisticRegression())]
    return Pipeline(steps).fit(ROWS, LABELS)


def imputed_and_scaled() -> Pipeline:
    return make_pipeline(SimpleImputer(), StandardScaler())


def encoded(*, sparse: bool) -> Pipeline:
    """A pipeline of a usual kind, with a sparse or a dense matrix of features."""
    return pipeline_of(
        ("numbers", imputed_and_scaled(), NUMBERS),
        ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS),
        ("dropped", "drop", ["income"]),
        sparse_threshold=float(sparse),
    )


def nested() -> Pipeline:
    """A pipeline with a transformer that has to get its columns by their names."""
    within = ColumnTransformer([("income", imputed_and_scaled(), ["income"])])
    return pipeline_of(("within", within, NUMBERS))


def load_as_served(pipeline: Pipeline, folder: Path) -> PyFuncModel:
    """Save the pipeline, and load it as a server does."""
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
    raise AssertionError("the long way was taken")


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_the_short_way_answers_the_same_to_the_last_bit(*, sparse: bool) -> None:
    pipeline = encoded(sparse=sparse)
    assert pipeline[0].sparse_output_ == sparse
    answers = fast_predict.without_data_frames(pipeline)
    assert answers
    for rows in (ROWS, HOLES, HOLES[:1]):
        np.testing.assert_array_equal(answers(rows), pipeline.predict_proba(rows))


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        pipeline_of(("numbers", StandardScaler(), slice(0, 2))),
        pipeline_of(("number", FunctionTransformer(pd.Series.to_frame), "amount")),
    ],
    ids=["no pipeline", "no columns", "columns by position", "a column by itself"],
)
def test_where_columns_are_not_listed_by_name_there_is_no_short_way(model: Any) -> None:
    assert fast_predict.without_data_frames(model) is None


def test_a_model_takes_the_short_way_if_it_answers_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_as_served(encoded(sparse=True), tmp_path)
    expected = model.get_raw_model().predict_proba(HOLES)
    served = FastModel(model, ROWS)
    monkeypatch.setattr(ColumnTransformer, "transform", fail)
    np.testing.assert_array_equal(served.predict(HOLES), expected)
    np.testing.assert_array_equal(served.predict(HOLES[HOLES.columns[::-1]]), expected)


def test_a_model_with_a_part_that_needs_names_takes_the_long_way(tmp_path: Path) -> None:
    model = load_as_served(nested(), tmp_path)
    assert fast_predict.without_data_frames(model.get_raw_model())
    expected = model.get_raw_model().predict_proba(HOLES)
    np.testing.assert_array_equal(FastModel(model, ROWS).predict(HOLES), expected)


def test_a_short_way_that_differs_in_the_last_bit_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_as_served(encoded(sparse=True), tmp_path)

    def almost_the_same(pipeline: Pipeline) -> fast_predict.PredictProba:
        return lambda frame: np.nextafter(pipeline.predict_proba(frame), 1)

    monkeypatch.setattr(fast_predict, "without_data_frames", almost_the_same)
    expected = model.get_raw_model().predict_proba(HOLES)
    np.testing.assert_array_equal(FastModel(model, ROWS).predict(HOLES), expected)


def test_an_answer_that_is_no_number_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = FastModel(load_as_served(encoded(sparse=True), tmp_path), ROWS)
    monkeypatch.setattr(
        LogisticRegression, "predict_proba", lambda _, rows: np.full((rows.shape[0], 2), np.nan)
    )
    with pytest.raises(InvalidProbabilities):
        served.predict(ROWS)

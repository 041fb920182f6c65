"""Predict with a model version faster than MLflow does.

If the version has a scorecard, its tables give the probabilities, equal within 1e-12. Otherwise, a
pipeline spends most of its time for a single row on selecting columns of a data frame. Each part of
a ColumnTransformer then gets an array instead, if the results are equal to the last bit. Both are
compared with the pipeline first; if neither agrees with it, the pipeline is used as is.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mlflow.types import DataType
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from scorecard.build import UNSEEN, agrees
from scorecard.tables import Scorecard, ScorecardError

PredictProba = Callable[[pd.DataFrame], np.ndarray]


class InvalidProbabilities(Exception):
    """The model returned NaN or infinity for some of the rows."""


class FastModel:
    """A loaded model with the members that `mlflow.pyfunc.scoring_server` uses."""

    def __init__(self, model: Any, examples: pd.DataFrame, card: Scorecard | None = None) -> None:
        """`model`: a PyFuncModel; `examples`: served rows on which both ways are compared."""
        self.metadata = model.metadata
        self._model = model
        columns = model.metadata.get_input_schema().inputs
        self._names = [column.name for column in columns]
        self._numbers = [c.name for c in columns if c.type == DataType.double]
        pipeline = model.get_raw_model()
        self._predict_proba: PredictProba = pipeline.predict_proba
        self.uses_scorecard = bool(card and agrees(card, pipeline, examples))
        fast = without_data_frames(pipeline)
        if card and self.uses_scorecard:
            self._predict_proba = _from_tables(card, pipeline.predict_proba)
        elif fast and _are_equal(pipeline.predict_proba, fast, examples, self._numbers):
            self._predict_proba = fast

    def predict(self, data: Any, params: Any = None) -> np.ndarray:
        """The probabilities of both classes for each row, of shape (rows, 2).

        Raises:
            InvalidProbabilities: some probabilities are not finite.
            MlflowException: the rows do not match the model's signature.
        """
        if self._matches_signature(data):
            probabilities = self._predict_proba(data[self._names])
        else:
            probabilities = np.asarray(self._model.predict(data, params=params))
        if not np.isfinite(probabilities).all():
            raise InvalidProbabilities
        return probabilities

    def _matches_signature(self, data: Any) -> bool:
        """Whether columns and types are those of the signature, so MLflow would convert nothing."""
        if not isinstance(data, pd.DataFrame) or not data.columns.is_unique:
            return False
        types = dict(zip(data.columns, data.dtypes, strict=True))
        text_types = [types.get(name) for name in self._names if name not in self._numbers]
        return all(types.get(name) == np.float64 for name in self._numbers) and all(
            isinstance(kind, pd.StringDtype) or kind == np.dtype(object) for kind in text_types
        )


class RowCounter:
    """A `FastModel` for one request, which counts the rows that it has scored."""

    def __init__(self, model: FastModel) -> None:
        self.metadata = model.metadata
        self.rows = 0
        self._model = model

    def predict(self, data: Any, params: Any = None) -> np.ndarray:
        probabilities = self._model.predict(data, params)
        self.rows += len(probabilities)
        return probabilities


def _from_tables(card: Scorecard, pipeline: PredictProba) -> PredictProba:
    """`predict_proba` by a scorecard; the pipeline gets, and refuses, what that cannot score."""

    def predict_proba(frame: pd.DataFrame) -> np.ndarray:
        if not len(frame):
            return pipeline(frame)
        try:
            probability = card.probability(frame)
        except ScorecardError:
            return pipeline(frame)
        return np.column_stack([1 - probability, probability])

    return predict_proba


def without_data_frames(pipeline: Any) -> PredictProba | None:
    """`predict_proba` of a pipeline that begins with a ColumnTransformer, on arrays; else None."""
    if not isinstance(pipeline, Pipeline) or not isinstance(pipeline[0], ColumnTransformer):
        return None
    columns, *steps, model = [step for _, step in pipeline.steps]
    parts = [
        (_copy_without_names(transformer), names)
        for _, transformer, names in columns.transformers_
        if not isinstance(transformer, str)  # "drop"
    ]
    if not all(isinstance(names, list) for _, names in parts):
        return None
    selections = {tuple(names) for _, names in parts}

    def predict_proba(frame: pd.DataFrame) -> np.ndarray:
        arrays = {names: _to_array(frame, names) for names in selections}
        blocks = [transformer.transform(arrays[tuple(names)]) for transformer, names in parts]
        if columns.sparse_output_:
            matrix = sparse.hstack(blocks).tocsr()
        else:
            matrix = np.hstack([b.toarray() if sparse.issparse(b) else b for b in blocks])
        for step in steps:
            matrix = step.transform(matrix)
        return np.asarray(model.predict_proba(matrix))

    return predict_proba


def _copy_without_names(transformer: Any) -> Any:
    """A copy that does not expect the column names that it was fitted with."""
    unnamed = copy.deepcopy(transformer)
    for part in [step for _, step in unnamed.steps] if isinstance(unnamed, Pipeline) else [unnamed]:
        vars(part).pop("feature_names_in_", None)
    return unnamed


def _to_array(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    columns = [frame[name] for name in names]
    is_numeric = all(column.dtype == np.float64 for column in columns)
    return np.column_stack([c.to_numpy(np.float64 if is_numeric else object) for c in columns])


def _are_equal(
    pipeline: PredictProba, fast: PredictProba, rows: pd.DataFrame, numbers: Sequence[str]
) -> bool:
    """Whether both give equal results for the rows, also with a value missing in each column."""
    batches = [rows, rows[:1]]
    for name in map(str, rows.columns):
        values = [np.nan] if name in numbers else [None, UNSEEN]
        batches += [rows.assign(**{name: value}) for value in values]
    try:
        return all(np.array_equal(pipeline(b), fast(b)) for b in [*batches, pd.concat(batches)])
    except Exception:  # for instance, a part that needs the names of its columns
        return False

"""A loaded version as MLflow's scoring application asks it: the same answers with less ado.

For one row, nine tenths of a pipeline's time is spent on getting columns out of a data frame, not
on the model. Here each part of a ColumnTransformer is handed an array instead, where that is shown
to answer the same to the last bit; elsewhere the pipeline is asked as it is.
"""

import copy
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc import PyFuncModel
from mlflow.types import DataType
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

PredictProba = Callable[[pd.DataFrame], np.ndarray]
NEVER_SEEN = "\N{REPLACEMENT CHARACTER}"  # a text that no table holds

scored: ContextVar[list[int]] = ContextVar("scored")  # rows, of each time the model answered


class InvalidProbabilities(Exception):
    """The model gave something other than numbers for some of the rows."""


class FastModel:
    """A model for `mlflow.pyfunc.scoring_server.init`, which asks for `metadata` and `predict`."""

    def __init__(self, model: PyFuncModel, examples: pd.DataFrame) -> None:
        """`examples`: some rows as served, of which variants are tried, shape (rows, features)."""
        self.metadata = model.metadata
        self._model = model
        columns = model.metadata.get_input_schema().inputs
        self._names = [column.name for column in columns]
        self._numbers = [c.name for c in columns if c.type == DataType.double]
        pipeline = model.get_raw_model()
        self._answers: PredictProba = pipeline.predict_proba
        short = without_data_frames(pipeline)
        if short and _same(pipeline.predict_proba, short, examples, self._numbers):
            self._answers = short

    def predict(self, data: Any, params: Any = None) -> np.ndarray:
        """The probabilities of both classes for each row, of shape (rows, 2).

        Raises:
            NoProbability: not a number is among them.
            MlflowException: the rows are not of the model's signature.
        """
        if self._is_as_signed(data):
            answers = self._answers(data[self._names])
        else:
            answers = np.asarray(self._model.predict(data, params=params))
        if not np.isfinite(answers).all():
            raise InvalidProbabilities
        scored.get([]).append(len(answers))
        return answers

    def _is_as_signed(self, data: Any) -> bool:
        """Has it the signature's columns and types already, so that MLflow would change nothing."""
        if not isinstance(data, pd.DataFrame) or not data.columns.is_unique:
            return False
        types = dict(zip(data.columns, data.dtypes, strict=True))
        texts = [types.get(name) for name in self._names if name not in self._numbers]
        return all(types.get(name) == np.float64 for name in self._numbers) and all(
            isinstance(kind, pd.StringDtype) or kind == np.dtype(object) for kind in texts
        )


def without_data_frames(pipeline: Any) -> PredictProba | None:
    """`predict_proba` of a pipeline without the ways of its leading ColumnTransformer, if any."""
    if not isinstance(pipeline, Pipeline) or not isinstance(pipeline[0], ColumnTransformer):
        return None
    columns, *between, model = [step for _, step in pipeline.steps]
    parts = [
        (_unnamed(transformer), names)
        for _, transformer, names in columns.transformers_
        if not isinstance(transformer, str)  # "drop"
    ]
    if not all(isinstance(names, list) for _, names in parts):
        return None

    def answers(frame: pd.DataFrame) -> np.ndarray:
        arrays: dict[tuple[str, ...], np.ndarray] = {}
        blocks = []
        for transformer, names in parts:
            key = tuple(names)
            if key not in arrays:
                arrays[key] = _array(frame, names)
            blocks.append(transformer.transform(arrays[key]))
        if columns.sparse_output_:
            matrix = sparse.hstack(blocks).tocsr()
        else:
            matrix = np.hstack([b.toarray() if sparse.issparse(b) else b for b in blocks])
        for step in between:
            matrix = step.transform(matrix)
        return np.asarray(model.predict_proba(matrix))

    return answers


def _unnamed(transformer: Any) -> Any:
    """A copy that was fitted on columns without names, as far as it knows."""
    made = copy.deepcopy(transformer)
    for part in [step for _, step in made.steps] if isinstance(made, Pipeline) else [made]:
        vars(part).pop("feature_names_in_", None)
    return made


def _array(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    columns = [frame[name] for name in names]
    if all(column.dtype == np.float64 for column in columns):
        return np.column_stack([column.to_numpy() for column in columns])
    made = np.empty((len(frame), len(names)), dtype=object)
    for at, column in enumerate(columns):
        made[:, at] = column.to_numpy(dtype=object)
    return made


def _same(
    these: PredictProba, those: PredictProba, rows: pd.DataFrame, numbers: Sequence[str]
) -> bool:
    """Do both answer alike to the last bit: the rows, and the rows with a hole in each column."""
    tries = [rows, rows[:1]]
    for name in map(str, rows.columns):
        holes = [np.nan] if name in numbers else [None, NEVER_SEEN]
        tries += [rows.assign(**{name: hole}) for hole in holes]
    try:
        return all(np.array_equal(these(t), those(t)) for t in [*tries, pd.concat(tries)])
    except Exception:  # a part that needs names, or types, or whatever it may be
        return False

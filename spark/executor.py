"""Scores record batches in the executors, and verifies the model with each batch."""

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa

from cli import UserError
from problems.split import trained_on_mask
from registry import model_files
from registry.versions import RegisteredVersion
from scoring.redact import redact_values

# the scorer adds these columns; the underscore keeps them apart from a problem's own
OUTCOME_LABEL, PROBABILITY, TRAINED_ON, REASON = "_word", "_probability", "_trained_on", "_reason"
ANSWER_COLUMNS = {OUTCOME_LABEL: pa.string(), PROBABILITY: pa.float64()}
ANSWER_COLUMNS |= {TRAINED_ON: pa.bool_(), REASON: pa.string()}

# maps a series of data frames to a series of probability pairs
Predict = Callable[[Iterator[tuple[pd.DataFrame]]], Iterator[Any]]
Batches = Iterator[pa.RecordBatch]

_load_unchecked = mlflow.pyfunc.load_model
_loaders: dict[tuple[str, str, str], Callable[..., Any]] = {}  # by registry, version, logged model


class VersionMismatch(Exception):
    """The model in this executor is not the registered version."""


@dataclass
class BatchScorer:
    """Scores batches of rows with a model version, after its canary rows in each batch.

    `predict` is the function of `mlflow.pyfunc.spark_udf`. If the model fails on a batch, the
    batch is halved until the rows that it fails on are alone. `last_load` is the last load that
    the version may have been trained on, or None if that is unknown.
    """

    predict: Predict
    version: RegisteredVersion
    outcome_labels: tuple[str, str]
    group_name: str
    last_load: int | None
    _sent: deque[tuple[pd.DataFrame]] = field(default_factory=deque)
    _responses: Iterator[Any] | None = None

    def __call__(self, batches: Batches) -> Batches:
        """The batches with their answer columns. Raises VersionMismatch for a wrong model."""
        for batch in batches:
            for rows, scores in self._score(pa.Table.from_batches([batch])):
                yield from self._add_answers(rows, scores).to_batches()

    def _score(self, rows: pa.Table) -> Iterator[tuple[pa.Table, np.ndarray | str]]:
        """Parts of the rows, each with its probabilities or with the reason for its rejection."""
        try:
            probabilities = self._verified_probabilities(rows)
        except VersionMismatch:
            raise
        except Exception as error:  # a model may raise anything
            if len(rows) > 1:
                yield from self._score(rows.slice(0, len(rows) // 2))
                yield from self._score(rows.slice(len(rows) // 2))
                return
            try:
                self._verified_probabilities(rows.slice(0, 0))
            except Exception as canary_error:
                raise VersionMismatch(
                    f"{self.version.model_id} fails on its own canary rows "
                    f"({redact_values(str(canary_error), rows)})"
                ) from None
            yield rows, redact_values(str(error), rows)
        else:
            yield rows, probabilities

    def _verified_probabilities(self, rows: pa.Table) -> np.ndarray:
        """The probabilities of the rows, if the canary rows before them verify the model."""
        canary, names = self.version.canary, list(self.version.features)
        canary_frame = pd.DataFrame(list(canary.rows), columns=names)
        features = rows.select(names)
        front = pa.Table.from_pandas(canary_frame, schema=features.schema, preserve_index=False)
        pairs = np.stack(self._predict(pa.concat_tables([front, features]).to_pandas()))
        probabilities = pairs[:, 1]
        if not canary.is_answered_by(probabilities[: len(front)].tolist()):
            raise VersionMismatch(
                f"the loaded model does not answer as {self.version.model_id} does (its canary "
                "rows have other probabilities)"
            )
        is_valid = (probabilities >= 0) & (probabilities <= 1)
        if len(probabilities) != len(front) + len(rows) or not is_valid.all():
            raise VersionMismatch(f"{self.version.model_id} returned invalid probabilities")
        return probabilities[len(front) :]

    def _predict(self, rows: pd.DataFrame) -> Sequence[Any]:
        """The model's response. MLflow's generator ends at an error, so it is then restarted."""
        if self._responses is None:
            _use_checked_loader(self.version)
            self._responses = self.predict(iter(self._sent.popleft, None))
        self._sent.append((rows,))
        try:
            return next(self._responses)
        except Exception:
            self._responses = None
            raise

    def _add_answers(self, rows: pa.Table, scores: np.ndarray | str) -> pa.Table:
        nulls = [None] * len(rows)
        answers: Sequence[Any]
        if isinstance(scores, str):
            answers = (nulls, nulls, nulls, [scores] * len(rows))
        else:
            groups, loads = rows[self.group_name].to_pylist(), rows["load_id"].to_pylist()
            labels = self.version.decide(scores, self.outcome_labels).tolist()
            answers = (labels, scores, trained_on_mask(groups, loads, self.last_load), nulls)
        for (name, type_), values in zip(ANSWER_COLUMNS.items(), answers, strict=True):
            rows = rows.append_column(name, pa.array(values, type_))
        return rows


def _use_checked_loader(version: RegisteredVersion) -> None:
    """Make MLflow check a model's files before it loads them, and load each model only once.

    `spark_udf` itself calls `mlflow.pyfunc.load_model`, for a local model at each start.
    """
    key = (version.registry, version.model_id, version.logged_model_id)

    @functools.lru_cache(maxsize=1)
    def load(folder: str, *, model_config: Any = None) -> Any:
        try:
            model_files.check(Path(folder), version)
        except UserError as error:
            raise VersionMismatch(str(error)) from error
        return _load_unchecked(folder, model_config=model_config)

    mlflow.pyfunc.load_model = _loaders.setdefault(key, load)  # type: ignore[attr-defined]

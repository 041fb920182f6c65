"""What runs in the executors: a version's scores, proved batch by batch."""

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

# columns of ours beside a problem's, whose names they do not take
OUTCOME_LABEL, PROBABILITY, TRAINED_ON, REASON = "_word", "_probability", "_trained_on", "_reason"
ANSWER_COLUMNS = (OUTCOME_LABEL, PROBABILITY, TRAINED_ON, REASON)

Predict = Callable[[Iterator[tuple[pd.DataFrame]]], Iterator[Any]]  # of pairs, in series
Batches = Iterator[pa.RecordBatch]

_load_unchecked = mlflow.pyfunc.load_model
_loaders: dict[tuple[str, str, str], Callable[..., Any]] = {}  # by registry, version, logged model


class VersionMismatch(Exception):
    """The model does not answer as the version that was asked for."""


@dataclass
class BatchScorer:
    """Scores batches of rows by a version, whose canary rows go in front of each.

    `predict` is the function of `mlflow.pyfunc.spark_udf`. Of a batch that the model fails on, the
    rows at fault are found by halving it.
    """

    predict: Predict
    version: RegisteredVersion
    outcome_labels: tuple[str, str]
    group_name: str
    last_load: int | None  # that the version may have learned from; None where it is not known
    _sent: deque[tuple[pd.DataFrame]] = field(default_factory=deque)
    _answers: Iterator[Any] | None = None

    def __call__(self, batches: Batches) -> Batches:
        """The batches with their answers; raises Mismatch if another version gave them."""
        for batch in batches:
            for rows, answers in self._scored(pa.Table.from_batches([batch])):
                yield from self._told(rows, answers).to_batches()

    def _scored(self, rows: pa.Table) -> Iterator[tuple[pa.Table, np.ndarray | str]]:
        """Parts of the rows, each with its probabilities or with the reason to reject it."""
        try:
            answers = self._ask(rows)
        except VersionMismatch:
            raise
        except Exception as error:  # the model's own, of any kind
            if len(rows) > 1:
                yield from self._scored(rows.slice(0, len(rows) // 2))
                yield from self._scored(rows.slice(len(rows) // 2))
                return
            try:
                self._ask(rows.slice(0, 0))
            except Exception as again:
                raise VersionMismatch(
                    f"{self.version.model_id} fails on its own canary rows "
                    f"({redact_values(str(again), rows)})"
                ) from None
            yield rows, redact_values(str(error), rows)
        else:
            yield rows, answers

    def _ask(self, rows: pa.Table) -> np.ndarray:
        """The probabilities of the rows, once the canary rows before them have proved whose."""
        canary, names = self.version.canary, list(self.version.features)
        known = pd.DataFrame(list(canary.rows), columns=names)
        asked = rows.select(names)
        front = pa.Table.from_pandas(known, schema=asked.schema, preserve_index=False)
        pairs = np.stack(self._predicted(pa.concat_tables([front, asked]).to_pandas()))
        found = pairs[:, 1]
        if not canary.is_answered_by(found[: len(known)].tolist()):
            raise VersionMismatch(
                f"the model that was loaded does not answer as {self.version.model_id} does (its "
                "canary rows came back wrong)"
            )
        if len(found) != len(known) + len(rows) or not ((found >= 0) & (found <= 1)).all():
            raise VersionMismatch(
                f"{self.version.model_id} answered with what are no probabilities"
            )
        return found[len(known) :]

    def _predicted(self, rows: pd.DataFrame) -> Sequence[Any]:
        """What the model says of these; MLflow's generator ends when it fails, and begins again."""
        if self._answers is None:
            _use_checked_loader(self.version)
            self._answers = self.predict(iter(self._sent.popleft, None))
        self._sent.append((rows,))
        try:
            return next(self._answers)
        except Exception:
            self._answers = None
            raise

    def _told(self, rows: pa.Table, answers: np.ndarray | str) -> pa.Table:
        """The rows with the columns that results have beside them."""
        nothing = [None] * len(rows)
        learned = trained_on_mask(
            rows[self.group_name].to_pylist(), rows["load_id"].to_pylist(), self.last_load
        )
        more: tuple[Any, ...]
        if isinstance(answers, str):
            more = (nothing, nothing, nothing, [answers] * len(rows))
        else:
            words = self.version.decide(answers, self.outcome_labels).tolist()
            more = (words, answers, learned, nothing)
        types = (pa.string(), pa.float64(), pa.bool_(), pa.string())
        for name, values, of in zip(ANSWER_COLUMNS, more, types, strict=True):
            rows = rows.append_column(name, pa.array(values, of))
        return rows


def _use_checked_loader(version: RegisteredVersion) -> None:
    """Have MLflow check the files of a model before it loads them, and load each only once.

    `spark_udf` calls `mlflow.pyfunc.load_model` by itself, for a local model at each start.
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

"""The fits of one fold of the search, as one of its processes does them."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

# what the search scores
FOLD_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "log_loss": log_loss,
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
}


@dataclass(frozen=True)
class FoldResult:
    """What a fold's models, one for each grid point of a task, say of the rows left out."""

    point: int
    fold: int
    probability: np.ndarray
    scores: dict[str, float]
    fit_seconds: float


def fit_fold(
    pipeline: Any,
    points: Sequence[tuple[int, dict[str, Any]]],
    features: pd.DataFrame,
    labels: np.ndarray,
    number: int,
    fold: tuple[np.ndarray, np.ndarray],
) -> list[FoldResult]:
    """Fit the models of these grid points, which share the steps before the model, on a fold."""
    train, test = fold
    label, unseen = labels[train], labels[test]
    model, answers = None, []
    with ignore_expected_warnings():
        started = time.perf_counter()
        steps = clone(pipeline).set_params(**points[0][1])
        seen, asked = features.iloc[train], features.iloc[test]
        if isinstance(steps, Pipeline) and len(steps) > 1:
            columns = steps[:-1]
            seen = _compact(columns.fit_transform(seen, label))
            asked = _compact(columns.transform(asked))
        shared = (time.perf_counter() - started) / len(points)
        for point, params in points:
            started = time.perf_counter()
            steps = clone(pipeline).set_params(**params)
            model = _going_on(model, steps[-1] if isinstance(steps, Pipeline) else steps)
            model.fit(seen, label)
            taken = time.perf_counter() - started + shared
            said = model.predict_proba(asked)[:, 1].astype(np.float64)
            scores = {name: float(score(unseen, said)) for name, score in FOLD_METRICS.items()}
            answers.append(FoldResult(point, number, said, scores, taken))
    return answers


def _compact(columns: Any) -> Any:
    """Sparse columns in single precision: reading them is what a fit's time goes to.

    They are ones and zeros for the most part. The model that is kept is fitted in double.
    """
    return columns.astype(np.float32) if issparse(columns) else columns


def _going_on(before: Any, model: Any) -> Any:
    """The model; a logistic regression starts where the one before it has ended.

    Its optimum is the same wherever it starts, and close to that of the grid point before.
    """
    if type(model) is not LogisticRegression:  # what is derived from it may be something else
        return model
    if type(before) is LogisticRegression:
        model = before.set_params(**model.get_params())
    return model.set_params(warm_start=True)


@contextmanager
def ignore_expected_warnings() -> Iterator[None]:
    """Do not warn of what is meant: values that many rows share make fewer bins than asked for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Bins whose width are too small")
        warnings.filterwarnings("ignore", r"Feature \d+ is constant")
        yield

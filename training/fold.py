"""Fit grid points on one fold of the search; runs in the processes of the search."""

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

FOLD_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "log_loss": log_loss,
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
}
GAIN = "gain"  # the log loss of the base rate of the fold's training rows minus the model's


@dataclass(frozen=True)
class FoldResult:
    """The predictions of one grid point for the left-out rows of a fold, and their scores."""

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
    """Fit grid points that share all steps before the model on a fold, and predict its test rows.

    `points` holds the index and the parameters of each grid point.
    """
    train, test = fold
    train_label, test_label = labels[train], labels[test]
    model, results = None, []
    base_rate_loss = log_loss(test_label, np.full(len(test), train_label.mean()))
    with ignore_expected_warnings():
        started = time.perf_counter()
        steps = clone(pipeline).set_params(**points[0][1])
        train_columns, test_columns = features.iloc[train], features.iloc[test]
        if isinstance(steps, Pipeline) and len(steps) > 1:
            transform = steps[:-1]
            train_columns = _compact(transform.fit_transform(train_columns, train_label))
            test_columns = _compact(transform.transform(test_columns))
        shared_seconds = (time.perf_counter() - started) / len(points)
        for point, params in points:
            started = time.perf_counter()
            steps = clone(pipeline).set_params(**params)
            model = _warm_started(model, steps[-1] if isinstance(steps, Pipeline) else steps)
            model.fit(train_columns, train_label)
            seconds = time.perf_counter() - started + shared_seconds
            probability = model.predict_proba(test_columns)[:, 1].astype(np.float64)
            scores = {name: float(f(test_label, probability)) for name, f in FOLD_METRICS.items()}
            scores[GAIN] = base_rate_loss - scores["log_loss"]
            results.append(FoldResult(point, number, probability, scores, seconds))
    return results


def _compact(columns: Any) -> Any:
    """Sparse columns in single precision, to fit faster; the final fit uses double precision."""
    return columns.astype(np.float32) if issparse(columns) else columns


def _warm_started(previous: Any, model: Any) -> Any:
    """The model; a logistic regression starts from the coefficients of the previous one.

    Its optimum does not depend on the start, and is close to that of the previous grid point.
    """
    if type(model) is not LogisticRegression:  # a derived class may behave differently
        return model
    if type(previous) is LogisticRegression:
        model = previous.set_params(**model.get_params())
    return model.set_params(warm_start=True)


@contextmanager
def ignore_expected_warnings() -> Iterator[None]:
    """Ignore warnings about bins that are merged because many rows share a value."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Bins whose width are too small")
        warnings.filterwarnings("ignore", r"Feature \d+ is constant")
        yield

"""Find a candidate's best grid point by cross-validation, and its decision threshold."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.callback import ProgressBar
from sklearn.metrics import precision_recall_curve
from sklearn.model_selection import GridSearchCV, cross_val_predict

from modeling.dataset import Rows
from problems import Candidate

Folds = Sequence[tuple[np.ndarray, np.ndarray]]

# what the search scores; ranked by log loss, which asks for honest probabilities
SCORERS = {
    "log_loss": "neg_log_loss",
    "roc_auc": "roc_auc",
    "average_precision": "average_precision",
    "brier": "neg_brier_score",
}
RANKED_BY = "log_loss"


@dataclass(frozen=True)
class GridPoint:
    """One point of the grid: its parameters and its metrics over the folds."""

    params: dict[str, Any]
    metrics: dict[str, float]


@dataclass(frozen=True)
class Found:
    """A candidate's search: its best pipeline, fitted on all training rows."""

    candidate: Candidate
    estimator: Any
    best: GridPoint
    points: list[GridPoint]
    out_of_fold: np.ndarray  # each training row's probability by the fold that did not see it
    threshold: float


def search(candidate: Candidate, rows: Rows, folds: Folds, jobs: int) -> Found:
    """Search a candidate's grid; `jobs` as scikit-learn counts them, -1 for every core."""
    grid = GridSearchCV(
        candidate.pipeline,
        {name: list(values) for name, values in candidate.grid.items()},
        scoring=SCORERS,
        refit=RANKED_BY,
        cv=list(folds),
        n_jobs=jobs,
        error_score="raise",
    )
    if sys.stdout.isatty():
        grid.set_callbacks(ProgressBar(max_propagation_depth=0))
    grid.fit(rows.features, rows.label)
    points = _points(pd.DataFrame(grid.cv_results_))
    out_of_fold = cross_val_predict(
        grid.best_estimator_,
        rows.features,
        rows.label,
        cv=list(folds),
        n_jobs=jobs,
        method="predict_proba",
    )[:, 1]
    return Found(
        candidate,
        grid.best_estimator_,
        points[grid.best_index_],
        points,
        out_of_fold,
        best_f1_threshold(rows.label, out_of_fold),
    )


def best_f1_threshold(label: np.ndarray, probability: np.ndarray) -> float:
    """The probability from which on to say yes, so that F1 is largest on these rows."""
    precision, recall, thresholds = precision_recall_curve(label, probability)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[np.argmax(f1[:-1])])


def _points(results: pd.DataFrame) -> list[GridPoint]:
    points = []
    for _, row in results.iterrows():
        metrics = {}  # the UI's plots begin with the first one, which is what the search ranks by
        for name, scorer in SCORERS.items():
            sign = -1.0 if scorer.startswith("neg_") else 1.0
            metrics[f"cv_{name}"] = sign * float(row[f"mean_test_{name}"])
            metrics[f"cv_{name}_std"] = float(row[f"std_test_{name}"])
        metrics["fit_seconds"] = float(row["mean_fit_time"])
        points.append(GridPoint(_short(row["params"]), metrics))
    return points


def _short(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters by their last name (C, n_knots), which people know, where that is unambiguous."""
    last = [name.rpartition("__")[2] for name in params]
    return {
        (short if last.count(short) == 1 else name): value
        for short, (name, value) in zip(last, params.items(), strict=True)
    }

"""Find a candidate's best grid point by cross-validation, and its decision threshold."""

import re
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
from modeling.evaluate import Spread, spread
from problems import Candidate, ProblemError

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
    """One point of the grid: its parameters, and its metrics over all folds."""

    params: dict[str, Any]
    scores: dict[str, Spread]
    fit_seconds: float

    @property
    def metrics(self) -> dict[str, float]:
        # the UI's plots begin with the first one, which is what the search ranks by
        found: dict[str, float] = {}
        for name, score in self.scores.items():
            found |= {f"cv_{name}": score.mean, f"cv_{name}_std": score.std}
        return {**found, "fit_seconds": self.fit_seconds}


@dataclass(frozen=True)
class Found:
    """A candidate's search: its best pipeline, fitted on all training rows."""

    candidate: Candidate
    estimator: Any
    best: GridPoint
    points: list[GridPoint]
    threshold: float


def search(candidate: Candidate, rows: Rows, repeats: Sequence[Folds], jobs: int) -> Found:
    """Search a candidate's grid over all folds of all repeats of the cross-validation.

    `jobs` is as scikit-learn counts them, -1 for every core. The threshold is the one with the
    best F1 on what each repeat's folds say of the rows that they have not seen.

    Raises:
        ProblemError: scikit-learn cannot fit the pipeline, or does not know a name in the grid.
    """
    grid = GridSearchCV(
        candidate.pipeline,
        {name: list(values) for name, values in candidate.grid.items()},
        scoring=SCORERS,
        refit=RANKED_BY,
        cv=[fold for folds in repeats for fold in folds],
        n_jobs=jobs,
        error_score="raise",
    )
    if sys.stdout.isatty():
        grid.set_callbacks(ProgressBar(max_propagation_depth=0))
    try:
        grid.fit(rows.features, rows.label)
    except Exception as error:
        raise ProblemError(
            f"{candidate.name} cannot be fitted ({type(error).__name__}: "
            f"{_without_values(str(error), candidate, rows)}): mend its pipeline or its grid in "
            "candidates.py."
        ) from error
    points = _points(pd.DataFrame(grid.cv_results_), len(repeats[0]))
    out_of_fold = [
        cross_val_predict(
            grid.best_estimator_,
            rows.features,
            rows.label,
            cv=list(folds),
            n_jobs=jobs,
            method="predict_proba",
        )[:, 1]
        for folds in repeats
    ]
    return Found(
        candidate,
        grid.best_estimator_,
        points[grid.best_index_],
        points,
        best_f1_threshold(np.tile(rows.label, len(repeats)), np.concatenate(out_of_fold)),
    )


def _without_values(reason: str, candidate: Candidate, rows: Rows) -> str:
    """An error's text without what it quotes, which may be somebody's: but for names of ours."""
    names = {part for name in candidate.grid for part in name.split("__")}
    names |= set(rows.features.columns)
    quoted = re.sub(r"'([^']*)'", lambda q: q[0] if q[1] in names else "'…'", reason)
    return " ".join(quoted.split())[:300].rstrip(".")


def best_f1_threshold(label: np.ndarray, probability: np.ndarray) -> float:
    """The probability from which on to say yes, so that F1 is largest on these rows."""
    precision, recall, thresholds = precision_recall_curve(label, probability)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[np.argmax(f1[:-1])])


def _points(results: pd.DataFrame, folds: int) -> list[GridPoint]:
    points = []
    for _, row in results.iterrows():
        scores = {}
        for name, scorer in SCORERS.items():
            sign = -1.0 if scorer.startswith("neg_") else 1.0
            splits = row.filter(regex=rf"^split\d+_test_{name}$").to_numpy(dtype="float64")
            scores[name] = spread(sign * splits, folds)
        points.append(GridPoint(_short(row["params"]), scores, float(row["mean_fit_time"])))
    return points


def _short(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters by their last name (C, n_knots), which people know, where that is unambiguous."""
    last = [name.rpartition("__")[2] for name in params]
    return {
        (short if last.count(short) == 1 else name): value
        for short, (name, value) in zip(last, params.items(), strict=True)
    }

"""What a version is worth on rows that it has not seen, and what an answer of it costs."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from metrics import calibration, ranking
from metrics.bootstrap import CONFIDENCE, Bootstrap, Estimate, estimate
from problems import Problem
from training.dataset import Rows

TIMED_CALLS = 30
TINY = np.finfo(np.float64).eps


@dataclass(frozen=True)
class FoldSummary:
    """A metric over the folds of a cross-validation, with the interval of its mean."""

    mean: float
    std: float
    standard_error: float
    low: float
    high: float


def summarize_folds(scores: np.ndarray, folds: int) -> FoldSummary:
    """The mean of a (perhaps repeated) k-fold cross-validation's scores, and its 95 % interval.

    Folds share training rows, so the usual standard error is far too small. This is the corrected
    resampled t interval: s² (1/n + test rows / training rows), Nadeau and Bengio, Inference for the
    Generalization Error, Machine Learning 52 (2003), 239-281; for repeated k-fold Bouckaert and
    Frank (2004). `scores` has shape (repeats times folds,).
    """
    n, mean, std = len(scores), float(np.mean(scores)), float(np.std(scores, ddof=1))
    error = std * float(np.sqrt(1 / n + 1 / (folds - 1)))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return FoldSummary(mean, std, error, mean - half, mean + half)


def log_losses(label: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Each row's log loss; `label` is 0 or 1, `probability` that of 1, both of shape (rows,)."""
    right = np.where(label == 1, probability, 1 - probability)
    return np.asarray(-np.log(np.clip(right, TINY, 1.0)))


def held_out_metrics(
    problem: Problem, rows: Rows, probability: np.ndarray, threshold: float, rate: float
) -> dict[str, Estimate]:
    """Metrics of probabilities, and of the decisions at thresholds, with 95 % intervals by group.

    Accuracy is that at the threshold, at 0.5, and (balanced: recall and specificity in halves) on
    a test set of as many positive as negative rows. `rate` is the training rows' share of positive
    ones: a probability above it is one above 0.5 where the test set is balanced.
    """
    bootstrap = Bootstrap(rows.group)
    label = rows.label
    found = {
        **_probabilities(label, probability, bootstrap),
        **_decisions(label, probability >= threshold, bootstrap),
    }
    for name, at, kept in (
        ("half", 0.5, ("accuracy", "balanced_accuracy")),
        ("base_rate", rate, ("balanced_accuracy",)),
        ("former", problem.former_threshold, ("precision", "recall")),
    ):
        decided = _decisions(label, probability >= at, bootstrap)
        found |= {f"{metric}_at_{name}": decided[metric] for metric in kept}
    if problem.ranking_baseline:
        found |= ranking.ranking_metrics(label, probability, rows.group, bootstrap)
    found["calibration_slope"] = calibration.calibration_slope(label, probability, bootstrap)
    return {name: estimate(values) for name, values in found.items()}


def base_rate_metrics(rate: float, rows: Rows) -> dict[str, Estimate]:
    """The same for always predicting the training rows' share of positives: what to beat."""
    found = _probabilities(rows.label, np.full(len(rows), rate), Bootstrap(rows.group))
    found["accuracy"] = np.full(1, max(rows.label.mean(), 1 - rows.label.mean()))
    return {name: estimate(values) for name, values in found.items()}


def ranking_baseline_metrics(problem: Problem, rows: Rows) -> dict[str, Estimate]:
    """What ranking within a group reaches in random order, and by the problem's own column."""
    if not problem.ranking_baseline:
        return {}
    bootstrap, lowest = Bootstrap(rows.group), -rows.features[problem.ranking_baseline].to_numpy()
    scores = {
        "random_order": np.zeros(len(rows)),
        f"lowest_{problem.ranking_baseline}": np.where(np.isnan(lowest), -np.inf, lowest),
    }
    return {
        f"{order}_{name}": estimate(values)
        for order, score in scores.items()
        for name, values in ranking.ranking_metrics(
            rows.label, score, rows.group, bootstrap
        ).items()
    }


def single_row_ms(estimator: Any, rows: pd.DataFrame) -> float:
    """Milliseconds for the probability of one row: of some calls the fastest.

    Other work on the machine disturbs the fastest least, so that candidates can be compared.
    """
    seconds = []
    for call in range(TIMED_CALLS):
        row = rows.iloc[[call % len(rows)]]
        started = time.perf_counter()
        estimator.predict_proba(row)
        seconds.append(time.perf_counter() - started)
    return min(seconds) * 1000


def _probabilities(
    label: np.ndarray, probability: np.ndarray, bootstrap: Bootstrap
) -> dict[str, np.ndarray]:
    sums = bootstrap.sums(
        {
            "rows": np.ones(len(label)),
            "log_loss": log_losses(label, probability),
            "brier": (label - probability) ** 2,
        }
    )
    curves = np.array(list(map(_Curves(label, probability), bootstrap.weights())))
    return {
        "log_loss": sums["log_loss"] / sums["rows"],
        "brier": sums["brier"] / sums["rows"],
        "roc_auc": curves[:, 0],
        "average_precision": curves[:, 1],
        "calibration_error": calibration.calibration_error(label, probability, bootstrap),
    }


class _Curves:
    """ROC AUC and average precision of weighted rows, sorted once for all weights.

    As sklearn.metrics has them, which sort anew for each of a thousand resamples.
    """

    def __init__(self, label: np.ndarray, probability: np.ndarray) -> None:
        self._order = np.argsort(-probability, kind="stable")
        self._label = label[self._order].astype(np.float64)
        # where each run of equal probabilities begins
        self._starts = np.flatnonzero(np.diff(probability[self._order], prepend=np.inf))

    def __call__(self, weights: np.ndarray) -> tuple[float, float]:
        weights = weights[self._order]
        positive = np.add.reduceat(weights * self._label, self._starts)
        negative = np.add.reduceat(weights, self._starts) - positive
        above, wrong = np.cumsum(positive), np.cumsum(negative)
        if not above[-1] or not wrong[-1]:
            return np.nan, np.nan
        auc = positive @ (wrong[-1] - wrong + negative / 2) / (above[-1] * wrong[-1])
        precision = above / np.maximum(above + wrong, 1)
        return float(auc), float(positive @ precision / above[-1])


def _decisions(label: np.ndarray, said: np.ndarray, bootstrap: Bootstrap) -> dict[str, np.ndarray]:
    sums = bootstrap.sums(
        {
            "rows": np.ones(len(label)),
            "positive": label.astype(float),
            "said": said.astype(float),
            "right": (said & (label == 1)).astype(float),
        }
    )
    rows, positive, said_yes, right = sums.values()
    negative, wrong = rows - positive, said_yes - right
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = right / positive
        return {
            "accuracy": (right + negative - wrong) / rows,
            "balanced_accuracy": (recall + 1 - wrong / negative) / 2,
            "precision": np.where(said_yes > 0, right / said_yes, 0),
            "recall": recall,
            "f1": 2 * right / (said_yes + positive),
        }

"""What a version is worth on rows that it has not seen, and what an answer of it costs."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

CONFIDENCE = 0.95
TIMED_CALLS = 30


@dataclass(frozen=True)
class Spread:
    """A metric over the folds of a cross-validation, with the interval of its mean."""

    mean: float
    std: float
    standard_error: float
    low: float
    high: float


def spread(scores: np.ndarray, folds: int) -> Spread:
    """The mean of a (perhaps repeated) k-fold cross-validation's scores, and its 95 % interval.

    Folds share training rows, so the usual standard error is far too small. This is the corrected
    resampled t interval: s² (1/n + test rows / training rows), Nadeau and Bengio, Inference for the
    Generalization Error, Machine Learning 52 (2003), 239-281; for repeated k-fold Bouckaert and
    Frank (2004). `scores` has shape (repeats times folds,).
    """
    n, mean, std = len(scores), float(np.mean(scores)), float(np.std(scores, ddof=1))
    error = std * float(np.sqrt(1 / n + 1 / (folds - 1)))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return Spread(mean, std, error, mean - half, mean + half)


def metrics(
    label: np.ndarray, probability: np.ndarray, threshold: float, former_threshold: float
) -> dict[str, float]:
    """Metrics of the probabilities, and of the decisions at the threshold and at the former one.

    `label` is 0 or 1 and `probability` that of 1, both of shape (rows,).
    """
    said, formerly = probability >= threshold, probability >= former_threshold
    return {
        "roc_auc": float(roc_auc_score(label, probability)),
        "average_precision": float(average_precision_score(label, probability)),
        "log_loss": float(log_loss(label, probability)),
        "brier": float(brier_score_loss(label, probability)),
        "accuracy": float(accuracy_score(label, said)),
        "precision": float(precision_score(label, said, zero_division=0)),
        "recall": float(recall_score(label, said)),
        "f1": float(f1_score(label, said)),
        "former_precision": float(precision_score(label, formerly, zero_division=0)),
        "former_recall": float(recall_score(label, formerly)),
    }


def base_rate_metrics(train_label: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """The same for always predicting the training rows' share of positives: what to beat."""
    rate = np.full(len(label), train_label.mean())
    return {
        "roc_auc": 0.5,
        "average_precision": float(label.mean()),
        "log_loss": float(log_loss(label, rate)),
        "brier": float(brier_score_loss(label, rate)),
        "accuracy": float(max(label.mean(), 1 - label.mean())),
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

"""Metrics of predicted probabilities and of the decisions that follow from a threshold.

Labels are 0 or 1. All arguments have shape (rows,), all metrics shape (1 + replicates,).
"""

import numpy as np

from metrics.bootstrap import Bootstrap
from metrics.calibration import calibration_error

EPSILON = np.finfo(np.float64).eps


def log_losses(label: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """The log loss of each row; `probability` is that of label 1. Shape (rows,)."""
    of_label = np.where(label == 1, probability, 1 - probability)
    return np.asarray(-np.log(np.clip(of_label, EPSILON, 1.0)))


def probability_metrics(
    label: np.ndarray, probability: np.ndarray, bootstrap: Bootstrap
) -> dict[str, np.ndarray]:
    """Log loss, Brier score, ROC AUC, average precision and calibration error."""
    losses, squares = log_losses(label, probability), (label - probability) ** 2
    sums = bootstrap.sums({"rows": np.ones(len(label)), "log_loss": losses, "brier": squares})
    curves = np.array(list(map(WeightedCurves(label, probability), bootstrap.weights())))
    return {
        "log_loss": sums["log_loss"] / sums["rows"],
        "brier": sums["brier"] / sums["rows"],
        "roc_auc": curves[:, 0],
        "average_precision": curves[:, 1],
        "calibration_error": calibration_error(label, probability, bootstrap),
    }


def decision_metrics(
    label: np.ndarray, decision: np.ndarray, bootstrap: Bootstrap
) -> dict[str, np.ndarray]:
    """Accuracy, balanced accuracy, precision, recall and F1 of yes/no decisions."""
    columns = {"rows": np.ones(len(label)), "positives": label, "decided": decision}
    sums = bootstrap.sums({**columns, "true_positives": decision & (label == 1)})
    rows, positives, decided, true_positives = sums.values()
    negatives, false_positives = rows - positives, decided - true_positives
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = true_positives / positives
        return {
            "accuracy": (true_positives + negatives - false_positives) / rows,
            "balanced_accuracy": (recall + 1 - false_positives / negatives) / 2,
            "precision": np.where(decided > 0, true_positives / decided, 0),
            "recall": recall,
            "f1": 2 * true_positives / (decided + positives),
        }


class WeightedCurves:
    """ROC AUC and average precision for many weightings of the same rows.

    The results equal those of `sklearn.metrics`, but the rows are sorted only once.
    """

    def __init__(self, label: np.ndarray, probability: np.ndarray) -> None:
        self._order = np.argsort(-probability, kind="stable")
        self._label = label[self._order].astype(np.float64)
        # the first row of each run of equal probabilities
        self._starts = np.flatnonzero(np.diff(probability[self._order], prepend=np.inf))

    def __call__(self, weights: np.ndarray) -> tuple[float, float]:
        """ROC AUC and average precision of rows with these weights."""
        weights = weights[self._order]
        positive = np.add.reduceat(weights * self._label, self._starts)
        negative = np.add.reduceat(weights, self._starts) - positive
        true_positives, false_positives = np.cumsum(positive), np.cumsum(negative)
        positives, negatives = true_positives[-1], false_positives[-1]
        if not positives or not negatives:
            return np.nan, np.nan
        auc = positive @ (negatives - false_positives + negative / 2) / (positives * negatives)
        precision = true_positives / np.maximum(true_positives + false_positives, 1)
        return float(auc), float(positive @ precision / positives)

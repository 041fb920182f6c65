"""What a version is worth on rows that it has not seen."""

import numpy as np
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


def metrics(label: np.ndarray, probability: np.ndarray, threshold: float) -> dict[str, float]:
    """Metrics of the probabilities, and of the decisions at the threshold.

    `label` is 0 or 1 and `probability` that of 1, both of shape (rows,).
    """
    said = probability >= threshold
    return {
        "roc_auc": float(roc_auc_score(label, probability)),
        "average_precision": float(average_precision_score(label, probability)),
        "log_loss": float(log_loss(label, probability)),
        "brier": float(brier_score_loss(label, probability)),
        "accuracy": float(accuracy_score(label, said)),
        "precision": float(precision_score(label, said, zero_division=0)),
        "recall": float(recall_score(label, said)),
        "f1": float(f1_score(label, said)),
    }


def base_rate_metrics(train_label: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """The same for always predicting the training rows' share of positives: what to beat."""
    rate = np.full(len(label), train_label.mean())
    return {
        "average_precision": float(label.mean()),
        "log_loss": float(log_loss(label, rate)),
        "brier": float(brier_score_loss(label, rate)),
        "accuracy": float(max(label.mean(), 1 - label.mean())),
    }

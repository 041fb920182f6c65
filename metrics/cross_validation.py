"""The mean score of a cross-validation, with a confidence interval."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from metrics.bootstrap import CONFIDENCE, Estimate


@dataclass(frozen=True)
class FoldSummary(Estimate):
    """The mean of a metric over the folds of a cross-validation, with its interval."""

    std: float
    standard_error: float


def summarize_folds(scores: np.ndarray, folds: int) -> FoldSummary:
    """The mean score of a k-fold cross-validation, repeated or not, and its 95% interval.

    Folds share training rows, so the usual standard error is far too small. This is the corrected
    resampled t interval: s² (1/n + test rows / training rows), Nadeau and Bengio, Inference for the
    Generalization Error, Machine Learning 52 (2003), 239-281; for repeated k-fold Bouckaert and
    Frank (2004). `scores` has shape (repeats * folds,).
    """
    n, mean, std = len(scores), float(np.mean(scores)), float(np.std(scores, ddof=1))
    error = std * float(np.sqrt(1 / n + 1 / (folds - 1)))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return FoldSummary(mean, mean - half, mean + half, std, error)

"""Calibration of predicted probabilities: the calibration slope and the calibration error."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from metrics.bootstrap import Bootstrap

BINS = 20
EPSILON = 1e-6  # probabilities are clipped: one at 0 or 1 would outweigh all others


def calibration_slope(
    label: np.ndarray, probability: np.ndarray, bootstrap: Bootstrap
) -> np.ndarray:
    """The slope of a logistic regression of the label on the predicted log odds.

    1 is ideal; less than 1 means that predictions are too extreme, as after overfitting (Cox, Two
    further applications of a model for binary regression, Biometrika 45 (1958), 562-565). Each
    resample takes one Newton step from the fit to all rows. Shape (1 + replicates,).
    """
    clipped = np.clip(probability, EPSILON, 1 - EPSILON)
    log_odds = np.log(clipped / (1 - clipped))
    if np.ptp(log_odds) == 0:
        return np.full(1, np.nan)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
    model.fit(log_odds[:, None], label)
    fitted = model.predict_proba(log_odds[:, None])[:, 1]
    residual, weight = label - fitted, fitted * (1 - fitted)
    gradient = {"g0": residual, "g1": residual * log_odds}
    hessian = {"h00": weight, "h01": weight * log_odds, "h11": weight * log_odds**2}
    sums = bootstrap.sums(gradient | hessian)
    determinant = sums["h00"] * sums["h11"] - sums["h01"] ** 2
    step = (sums["h00"] * sums["g1"] - sums["h01"] * sums["g0"]) / determinant
    return np.asarray(model.coef_[0, 0] + step)


def calibration_error(
    label: np.ndarray, probability: np.ndarray, bootstrap: Bootstrap
) -> np.ndarray:
    """The expected calibration error over bins with equal numbers of rows.

    It is the mean distance between the predicted and the observed share of positives (Naeini,
    Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI
    2015). Chance alone makes it positive, and larger still in a resample. Shape (1 + replicates,).
    """
    order = np.argsort(probability, kind="stable")
    bins = np.empty(len(label), dtype=int)
    bins[order] = np.arange(len(label)) * BINS // len(label)
    distance = label - probability
    by_bin = {str(b): distance * (bins == b) for b in range(BINS)}
    sums = bootstrap.sums({"rows": np.ones(len(label)), **by_bin})
    return np.asarray(sum(np.abs(sums[str(b)]) for b in range(BINS)) / sums["rows"])

"""The gate promotes a first champion if, and nearly only if, it is better than the base rate.

There are 5,000 rows with 1.5% positives, as at a small lender. `make soak` simulates more seeds.
"""

import os

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

import problems
from problems import Candidate
from training.dataset import Rows
from training.gate import apply_gate
from training.search import search_grid

SEEDS = int(os.environ.get("SOAK_GATE_SEEDS", "50"))
ROWS, POSITIVES = 5_000, 75
GRID = {"logisticregression__C": [0.003, 0.03, 0.3]}
# the true probabilities expit(A + B * x) have a mean of 1.5% and a ROC AUC of 0.72
A, B = -4.5, 0.83


def is_promoted(label: np.ndarray, features: pd.DataFrame) -> bool:
    """Search a grid by cross-validation on three quarters of the rows, and judge the best model."""
    held_out = np.arange(ROWS) % 4 == 0
    train, test = (
        Rows(features[mask].reset_index(drop=True), label[mask], np.flatnonzero(mask))
        for mask in (~held_out, held_out)
    )
    folds = [
        list(StratifiedKFold(5, shuffle=True, random_state=repeat).split(train.label, train.label))
        for repeat in range(5)
    ]
    pipeline = make_pipeline(LogisticRegression(solver="newton-cholesky"))
    result = search_grid(Candidate("logistic", "", pipeline, GRID), train, folds, 1)
    return apply_gate(
        problems.load("loan_risk"),
        test,
        result.estimator.predict_proba(test.features)[:, 1],
        np.full(len(test), train.label.mean()),
        0.0,
        canaries_match=True,
        cross_validated=result.gain,
    ).is_promoted


def random_features(rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(rng.normal(size=(ROWS, 2)), columns=["x", "noise"])


def test_a_model_of_shuffled_labels_is_hardly_ever_promoted() -> None:
    promoted = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        label = rng.permutation(np.arange(ROWS) < POSITIVES).astype(np.int8)
        promoted += is_promoted(label, random_features(rng))
    print(f"shuffled labels: {promoted} of {SEEDS} promoted")
    assert promoted <= 0.02 * SEEDS


def test_a_model_of_labels_that_can_be_predicted_is_nearly_always_promoted() -> None:
    seeds, promoted = max(10, SEEDS // 10), 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        features = random_features(rng)
        label = (rng.random(ROWS) < expit(A + B * features["x"])).to_numpy().astype(np.int8)
        promoted += is_promoted(label, features)
    print(f"true ROC AUC of 0.72: {promoted} of {seeds} promoted")
    assert promoted >= 0.9 * seeds

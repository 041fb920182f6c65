"""The gate does not take noise for progress: models that differ by chance alone are refused.

The data, the models and the bootstrap are fixed by seeds, and so is the outcome. Of these models
more than one in twenty would pass a gate of 95 %.
"""

from typing import Any

import numpy as np
from sklearn.base import clone

import problems
from tests.support.datasets import generated_offers
from training import promotion
from training.dataset import Dataset

PROBLEM = problems.load()
MODELS = 20


def plain(data: Dataset) -> Any:
    """The pipeline of the first candidate, not fitted yet."""
    return PROBLEM.candidates(data.categories, 0)[0].pipeline


def probabilities(estimator: Any, data: Dataset) -> np.ndarray:
    return np.asarray(estimator.predict_proba(data.test.features))[:, 1]


def is_refused(data: Dataset, challenger: np.ndarray, champion: np.ndarray) -> bool:
    verdict = promotion.apply_gate(PROBLEM, data.test, challenger, champion, 0.0, as_logged=True)
    return not verdict.is_promoted


def test_models_of_shuffled_labels_are_refused_against_the_base_rate() -> None:
    data = generated_offers(1_500, seed=2)
    base, refused = np.full(len(data.test), data.base_rate), 0
    for seed in range(MODELS):
        shuffled = np.random.default_rng(seed).permutation(data.train.label)
        model = clone(plain(data)).fit(data.train.features, shuffled)
        refused += is_refused(data, probabilities(model, data), base)
    assert refused >= 19


def test_models_that_learned_from_other_halves_of_the_leads_are_refused_against_a_champion() -> (
    None
):
    data = generated_offers(3_000, seed=2)

    def fitted_on_half(seed: int) -> np.ndarray:
        half = data.train.sample(len(data.train) // 2, seed)
        return probabilities(plain(data).fit(half.features, half.label), data)

    champion = fitted_on_half(1_000)
    assert sum(is_refused(data, fitted_on_half(seed), champion) for seed in range(MODELS)) >= 19

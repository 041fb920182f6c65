"""The promotion gate refuses models that differ from the champion by chance alone.

Seeds fix the data, the models and the bootstrap, so the outcome is always the same. With 95%
intervals, more than one in twenty of these models would be promoted.
"""

from typing import Any

import numpy as np

import problems
from tests.support.datasets import generated_offers
from training import gate
from training.dataset import Dataset

PROBLEM = problems.load()
MODELS = 20


def unfitted_pipeline(data: Dataset) -> Any:
    """The unfitted pipeline of the first candidate."""
    return PROBLEM.candidates(data.categories, 0)[0].pipeline


def probabilities(estimator: Any, data: Dataset) -> np.ndarray:
    return np.asarray(estimator.predict_proba(data.test.features))[:, 1]


def is_refused(data: Dataset, challenger: np.ndarray, champion: np.ndarray) -> bool:
    verdict = gate.apply_gate(PROBLEM, data.test, challenger, champion, 0.0, canaries_match=True)
    return not verdict.is_promoted


def test_models_trained_on_random_halves_of_the_leads_do_not_beat_each_other() -> None:
    data = generated_offers(3_000, seed=2)

    def fitted_on_half(seed: int) -> np.ndarray:
        half = data.train.sample(len(data.train) // 2, seed)
        return probabilities(unfitted_pipeline(data).fit(half.features, half.label), data)

    champion = fitted_on_half(1_000)
    assert sum(is_refused(data, fitted_on_half(seed), champion) for seed in range(MODELS)) >= 19

"""The promotion gate passes and refuses the right challengers, on generated offers."""

import numpy as np
import pytest

import problems
from tests.support.datasets import generated_rows, split_offers
from training import gate
from training.dataset import Dataset, Rows
from training.gate import Verdict

PROBLEM = problems.load()


@pytest.fixture(scope="module")
def data() -> Dataset:
    return split_offers(generated_rows(8_000, seed=1))


@pytest.fixture(scope="module")
def true_probabilities() -> np.ndarray:
    """The true probabilities of the held-out offers."""
    rows = generated_rows(8_000, seed=1)
    return rows.loc[split_offers(rows).held_out_mask, "probability"].to_numpy()


@pytest.fixture(scope="module")
def fitted_probabilities(data: Dataset) -> np.ndarray:
    """The probabilities that the first candidate predicts for the held-out offers."""
    pipeline = PROBLEM.candidates(data.categories, 0)[0].pipeline
    fitted = pipeline.fit(data.train.features, data.train.label)
    return np.asarray(fitted.predict_proba(data.test.features))[:, 1]


def base_rate(data: Dataset) -> np.ndarray:
    return np.full(len(data.test), data.base_rate)


def judge(
    data: Dataset, challenger: np.ndarray, champion: np.ndarray, margin: float = 0.0
) -> Verdict:
    return gate.apply_gate(PROBLEM, data.test, challenger, champion, margin, canaries_match=True)


def test_a_challenger_equal_to_the_champion_is_refused(
    data: Dataset, fitted_probabilities: np.ndarray
) -> None:
    verdict = judge(data, fitted_probabilities, fitted_probabilities)
    assert not verdict.is_promoted
    assert verdict.gain.low == verdict.gain.value == verdict.gain.high == 0


def test_a_better_challenger_is_promoted_and_a_worse_one_is_refused(
    data: Dataset, true_probabilities: np.ndarray, fitted_probabilities: np.ndarray
) -> None:
    better = judge(data, true_probabilities, fitted_probabilities)
    worse = judge(data, fitted_probabilities, true_probabilities)
    assert better.is_promoted
    assert better.gain.low > 0
    assert not worse.is_promoted
    assert worse.gain.high < 0
    assert "log loss is not significantly lower: the gain is" in worse.refusal_reasons[0]
    with_margin = judge(data, true_probabilities, fitted_probabilities, margin=better.gain.value)
    assert not with_margin.is_promoted
    assert "not significantly lower by more than" in with_margin.refusal_reasons[0]
    tolerant = judge(data, fitted_probabilities, true_probabilities, margin=worse.gain.low - 1e-3)
    assert tolerant.is_promoted


def test_an_overconfident_challenger_is_refused_even_if_its_log_loss_is_lower(
    data: Dataset, true_probabilities: np.ndarray
) -> None:
    log_odds = np.log(true_probabilities / (1 - true_probabilities))
    overconfident = 1 / (1 + np.exp(-(1.5 * (log_odds - log_odds.mean()) + log_odds.mean() - 0.7)))
    verdict = judge(data, overconfident, base_rate(data))
    assert verdict.gain.low > 0
    assert verdict.slope.high < PROBLEM.calibration_band[0]
    assert not verdict.is_promoted
    assert "calibration slope" in verdict.refusal_reasons[0]


def test_a_challenger_that_fails_its_canary_check_is_refused(
    data: Dataset, true_probabilities: np.ndarray
) -> None:
    verdict = gate.apply_gate(
        PROBLEM, data.test, true_probabilities, base_rate(data), 0.0, canaries_match=False
    )
    assert verdict.refusal_reasons == [
        "it failed the canary check: its answers differ from those at training"
    ]


def test_repeating_every_offer_ten_times_does_not_narrow_the_interval(data: Dataset) -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, len(data.test))
    challenger = np.clip(data.base_rate * np.exp(noise), 0, 0.9)
    once = judge(data, challenger, base_rate(data)).gain
    ten_times = np.repeat(np.arange(len(data.test)), 10)
    rows = Rows(
        data.test.features.loc[ten_times], data.test.label[ten_times], data.test.group[ten_times]
    )
    verdict = gate.apply_gate(
        PROBLEM, rows, challenger[ten_times], base_rate(data)[ten_times], 0.0, canaries_match=True
    )
    width = verdict.gain.high - verdict.gain.low
    assert width == pytest.approx(once.high - once.low, rel=1e-6)


def test_the_verdict_is_reproducible(data: Dataset) -> None:
    challenger = base_rate(data) * np.random.default_rng(2).uniform(0.5, 1.5, len(data.test))
    first, second = (judge(data, challenger, base_rate(data)) for _ in range(2))
    assert first.gain == second.gain

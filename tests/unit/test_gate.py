"""The gate between a challenger and the champion: what it lets pass, on generated offers."""

import numpy as np
import pytest

import problems
from tests.support.datasets import generated_rows, split_offers
from training import promotion
from training.dataset import Dataset, Rows
from training.promotion import Verdict

PROBLEM = problems.load()


@pytest.fixture(scope="module")
def data() -> Dataset:
    return split_offers(generated_rows(8_000, seed=1))


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """The true probabilities of the held-out offers."""
    rows = generated_rows(8_000, seed=1)
    return rows.loc[split_offers(rows).held_out_mask, "probability"].to_numpy()


@pytest.fixture(scope="module")
def plain(data: Dataset) -> np.ndarray:
    """What the first candidate says of the held-out offers."""
    pipeline = PROBLEM.candidates(data.categories, 0)[0].pipeline
    fitted = pipeline.fit(data.train.features, data.train.label)
    return np.asarray(fitted.predict_proba(data.test.features))[:, 1]


def base_rate(data: Dataset) -> np.ndarray:
    return np.full(len(data.test), data.base_rate)


def judge(
    data: Dataset, challenger: np.ndarray, champion: np.ndarray, margin: float = 0.0
) -> Verdict:
    return promotion.apply_gate(PROBLEM, data.test, challenger, champion, margin, as_logged=True)


def test_a_challenger_no_better_than_the_champion_is_refused(
    data: Dataset, plain: np.ndarray
) -> None:
    verdict = judge(data, plain, plain)
    assert not verdict.is_promoted
    assert verdict.gain.low == verdict.gain.value == verdict.gain.high == 0


def test_a_truly_better_one_passes_and_the_worse_one_does_not(
    data: Dataset, truth: np.ndarray, plain: np.ndarray
) -> None:
    passed, refused = judge(data, truth, plain), judge(data, plain, truth)
    assert passed.is_promoted
    assert passed.gain.low > 0
    assert not refused.is_promoted
    assert refused.gain.high < 0
    assert "log loss is not surely less" in refused.refusal_reasons[0]
    assert not judge(data, truth, plain, margin=passed.gain.value).is_promoted
    assert judge(data, plain, truth, margin=refused.gain.low - 1e-3).is_promoted


def test_one_that_overstates_is_refused_although_its_log_loss_is_less(
    data: Dataset, truth: np.ndarray
) -> None:
    log_odds = np.log(truth / (1 - truth))
    overstated = 1 / (1 + np.exp(-(1.5 * (log_odds - log_odds.mean()) + log_odds.mean() - 0.7)))
    verdict = judge(data, overstated, base_rate(data))
    assert verdict.gain.low > 0
    assert verdict.slope.high < PROBLEM.calibration_band[0]
    assert not verdict.is_promoted
    assert "calibration slope" in verdict.refusal_reasons[0]


def test_one_that_does_not_answer_as_logged_is_refused(data: Dataset, truth: np.ndarray) -> None:
    verdict = promotion.apply_gate(PROBLEM, data.test, truth, base_rate(data), 0.0, as_logged=False)
    assert verdict.refusal_reasons == (
        "it does not answer its canary rows as it did when it was trained",
    )


def test_listing_every_offer_ten_times_is_no_more_evidence(data: Dataset) -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, len(data.test))
    challenger = np.clip(data.base_rate * np.exp(noise), 0, 0.9)
    once = judge(data, challenger, base_rate(data)).gain
    ten_times = np.repeat(np.arange(len(data.test)), 10)
    rows = Rows(
        data.test.features.loc[ten_times], data.test.label[ten_times], data.test.group[ten_times]
    )
    verdict = promotion.apply_gate(
        PROBLEM, rows, challenger[ten_times], base_rate(data)[ten_times], 0.0, as_logged=True
    )
    width = verdict.gain.high - verdict.gain.low
    assert width == pytest.approx(once.high - once.low, rel=1e-6)


def test_the_verdict_is_the_same_each_time(data: Dataset) -> None:
    challenger = base_rate(data) * np.random.default_rng(2).uniform(0.5, 1.5, len(data.test))
    first, second = (judge(data, challenger, base_rate(data)) for _ in range(2))
    assert first.gain == second.gain

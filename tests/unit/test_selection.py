"""Candidates are ranked by log loss and speed; cross-validation gives honest intervals."""

import numpy as np

from metrics.cross_validation import summarize_folds
from training.selection import Standing, explain_choice, rank


def names(*standings: Standing) -> list[str]:
    return [standing.name for standing in rank(standings)]


def test_the_candidate_with_the_lowest_log_loss_is_first() -> None:
    slow, fast = Standing("slow", 0.10, 0.001, 28.0), Standing("fast", 0.12, 0.001, 5.0)
    assert names(fast, slow) == ["slow", "fast"]
    assert explain_choice([fast, slow]).startswith(
        "its cross-validated log loss is 0.1000, that of fast"
    )


def test_a_candidate_that_is_as_good_and_more_than_twice_as_fast_is_first() -> None:
    slow, fast = Standing("slow", 0.10, 0.03, 28.0), Standing("fast", 0.12, 0.001, 5.0)
    assert names(slow, fast) == ["fast", "slow"]
    assert "is within one standard error of that of slow" in explain_choice([slow, fast])


def test_a_candidate_that_is_less_than_twice_as_fast_is_not_preferred() -> None:
    better, quicker = Standing("better", 0.10, 0.03, 9.9), Standing("quicker", 0.12, 0.03, 5.0)
    assert names(quicker, better) == ["better", "quicker"]


def test_the_fastest_candidate_is_not_first_if_it_is_worse() -> None:
    best, as_good = Standing("best", 0.10, 0.01, 28.0), Standing("as good", 0.105, 0.01, 9.0)
    worse = Standing("worse", 0.2, 0.01, 1.0)
    assert names(worse, best, as_good) == ["as good", "best", "worse"]


def test_the_95_percent_interval_covers_the_true_value_often_enough() -> None:
    """Cross-validate a mean on many generated tables; the true value is known."""
    covered, covered_naively = 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = rng.exponential(size=200)
        errors = []
        for _ in range(5):
            for fold in np.array_split(rng.permutation(200), 5):
                rest = np.delete(values, fold)
                errors.append(np.mean((values[fold] - rest.mean()) ** 2))
        interval = summarize_folds(np.array(errors), folds=5)
        # the variance, plus the error of a mean that is estimated from 160 rows
        truth = 1 + 1 / 160
        covered += interval.low < truth < interval.high
        half_width = 1.96 * interval.std / np.sqrt(len(errors))
        covered_naively += abs(interval.value - truth) < half_width
    assert covered >= 180
    assert covered_naively < 130  # without the correction, the interval is too narrow

"""Which of several candidates is to serve, and the interval of a cross-validated figure."""

import numpy as np

from training.evaluate import summarize_folds
from training.selection import Standing, explain_choice, rank


def names(*standings: Standing) -> list[str]:
    return [standing.name for standing in rank(standings)]


def test_the_best_by_log_loss_goes_first() -> None:
    slow, fast = Standing("slow", 0.10, 0.001, 28.0), Standing("fast", 0.12, 0.001, 5.0)
    assert names(fast, slow) == ["slow", "fast"]
    assert explain_choice([fast, slow]).startswith(
        "its cross-validated log loss is 0.1000, that of fast"
    )


def test_a_tied_candidate_that_is_twice_as_fast_is_preferred() -> None:
    slow, fast = Standing("slow", 0.10, 0.03, 28.0), Standing("fast", 0.12, 0.001, 5.0)
    assert names(slow, fast) == ["fast", "slow"]
    assert explain_choice([slow, fast]).startswith("within a standard error of slow")


def test_a_little_more_time_decides_nothing() -> None:
    better, quicker = Standing("better", 0.10, 0.03, 9.9), Standing("quicker", 0.12, 0.03, 5.0)
    assert names(quicker, better) == ["better", "quicker"]


def test_the_fastest_of_all_does_not_go_first_if_it_is_worse() -> None:
    best, as_good = Standing("best", 0.10, 0.01, 28.0), Standing("as good", 0.105, 0.01, 9.0)
    worse = Standing("worse", 0.2, 0.01, 1.0)
    assert names(worse, best, as_good) == ["as good", "best", "worse"]


def test_the_interval_covers_the_truth_as_often_as_it_claims() -> None:
    """Repeated cross-validation of a mean, whose truth is known, over many generated tables."""
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
        truth = 1 + 1 / 160  # the variance, and what estimating the mean from 160 rows adds
        covered += interval.low < truth < interval.high
        half_width = 1.96 * interval.std / np.sqrt(len(errors))
        covered_naively += abs(interval.mean - truth) < half_width
    assert covered >= 180
    assert covered_naively < 130  # which is why the correction is there

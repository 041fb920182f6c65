"""The bootstrap resamples whole groups, and its intervals cover the true value."""

import math

import numpy as np
import pandas as pd
import pytest

from metrics.bootstrap import Bootstrap, estimate


def test_sums_and_weights_use_the_same_resamples_of_whole_groups() -> None:
    group, values = np.arange(500) // 5, np.random.default_rng(2).random(500)
    bootstrap = Bootstrap(group, 120)
    sums = bootstrap.sums({"rows": np.ones(500), "values": values})
    resamples = list(bootstrap.weights())
    assert len(resamples) == len(sums["rows"]) == 121
    for number, weights in enumerate(resamples):
        assert sums["rows"][number] == weights.sum()
        assert sums["values"][number] == pytest.approx(weights @ values)
        assert (pd.Series(weights).groupby(group).nunique() == 1).all()


def test_the_interval_covers_the_true_mean_if_rows_of_a_group_are_similar() -> None:
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(80), 6)
        values = rng.normal(1, 1, 80)[group] + rng.normal(0, 0.3, len(group))
        sums = Bootstrap(group, 300, seed).sums({"rows": np.ones(len(group)), "values": values})
        mean = estimate(sums["values"] / sums["rows"])
        covered += mean.low < 1 < mean.high
    assert covered >= 88


def test_a_metric_that_is_undefined_in_every_resample_has_no_interval() -> None:
    without_interval = estimate(np.array([0.5, np.nan, np.nan]))
    assert math.isnan(without_interval.low)
    assert math.isnan(without_interval.high)

"""Gains in log loss: intervals, combination and power."""

import numpy as np
import pytest

from metrics.gain import MeasuredGain, combine


def test_the_interval_is_that_of_the_t_distribution() -> None:
    gain = MeasuredGain(0.01, 0.002, rows=100, degrees_of_freedom=4).interval(0.95)
    # the 97.5% quantile of t with 4 degrees of freedom is 2.776
    assert (gain.low, gain.high) == pytest.approx((0.01 - 0.005552, 0.01 + 0.005552), abs=1e-6)


def test_gains_are_combined_in_proportion_to_their_rows() -> None:
    total = combine(MeasuredGain(0.01, 0.003, 300, 24), MeasuredGain(0.02, 0.008, 100))
    assert (total.gain, total.rows) == (pytest.approx(0.0125), 400)
    assert total.standard_error == pytest.approx(np.hypot(0.75 * 0.003, 0.25 * 0.008))
    assert total.degrees_of_freedom == 24


def test_a_detectable_gain_is_significant_in_80_percent_of_cases() -> None:
    measured = MeasuredGain(0.0, 0.002, rows=1_000)
    gain = measured.detectable(0.99)
    draws = np.random.default_rng(0).normal(gain, measured.standard_error, 100_000)
    significant = [MeasuredGain(draw, 0.002, 1_000).interval(0.99).low > 0 for draw in draws[:5000]]
    assert np.mean(significant) == pytest.approx(0.8, abs=0.02)


def test_as_many_rows_are_needed_as_make_the_gain_detectable() -> None:
    measured = MeasuredGain(0.003, 0.002, rows=1_000)
    rows = measured.rows_needed(0.99, margin=0.001)
    with_more_rows = MeasuredGain(0.003, 0.002 * np.sqrt(1_000 / rows), int(rows))
    assert with_more_rows.detectable(0.99) == pytest.approx(0.003 - 0.001, rel=1e-3)
    assert measured.rows_needed(0.99, margin=0.003) == np.inf

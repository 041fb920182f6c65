"""The decision threshold follows its rule; costs and rates without effect are refused."""

import numpy as np
import pytest

from training.threshold import ThresholdRule, ThresholdRuleError

LABEL = np.array([0, 0, 0, 1, 0, 1, 1])
PROBABILITY = np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.6, 0.7])


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        (ThresholdRule(), 0.35),  # by F1
        (ThresholdRule("f1"), 0.35),
        (ThresholdRule("cost", false_positive_cost=10, false_negative_cost=1), 0.6),
        (ThresholdRule("cost", false_positive_cost=1, false_negative_cost=10), 0.35),
        (ThresholdRule("cost", false_positive_cost=1e9, false_negative_cost=1e-9), 0.6),
        (ThresholdRule("rate", rate=2 / 7), 0.6),
        (ThresholdRule("rate"), 0.4),
    ],
    ids=str,
)
def test_the_threshold_follows_its_rule(rule: ThresholdRule, threshold: float) -> None:
    assert rule.choose_threshold(LABEL, PROBABILITY) == threshold


def test_all_decisions_are_negative_if_each_positive_one_costs_more_than_it_saves() -> None:
    label, probability = np.array([1, 0, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])
    assert ThresholdRule("cost", false_positive_cost=5).choose_threshold(label, probability) == 1.0


def test_invalid_costs_and_costs_or_rates_without_effect_are_refused() -> None:
    with pytest.raises(ThresholdRuleError, match="greater than 0"):
        ThresholdRule("cost", false_positive_cost=0)
    with pytest.raises(ThresholdRuleError, match="A cost has no effect on the threshold rule f1"):
        ThresholdRule("f1", false_negative_cost=5)
    with pytest.raises(ThresholdRuleError, match="A rate has no effect on the threshold rule cost"):
        ThresholdRule("cost", rate=0.1)

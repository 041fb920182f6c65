"""The decision threshold follows its rule, and costs or rates that decide nothing are refused."""

import numpy as np
import pytest

from training.threshold import Rule, RuleError

LABEL = np.array([0, 0, 0, 1, 0, 1, 1])
PROBABILITY = np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.6, 0.7])


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        (Rule(), 0.35),  # by F1
        (Rule("f1"), 0.35),
        (Rule("cost", false_positive=10, false_negative=1), 0.6),
        (Rule("cost", false_positive=1, false_negative=10), 0.35),
        (Rule("cost", false_positive=1e9, false_negative=1e-9), 0.6),
        (Rule("rate", rate=2 / 7), 0.6),
        (Rule("rate"), 0.4),
    ],
    ids=str,
)
def test_the_threshold_follows_its_rule(rule: Rule, threshold: float) -> None:
    assert rule.threshold(LABEL, PROBABILITY) == threshold


def test_where_every_yes_costs_more_than_it_saves_nobody_gets_one() -> None:
    label, probability = np.array([1, 0, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])
    assert Rule("cost", false_positive=5).threshold(label, probability) == 1.0


def test_costs_and_rates_that_decide_nothing_are_refused() -> None:
    with pytest.raises(RuleError, match="more than 0"):
        Rule("cost", false_positive=0)
    with pytest.raises(RuleError, match="A cost decides nothing by the rule f1"):
        Rule("f1", false_negative=5)
    with pytest.raises(RuleError, match="A rate decides nothing by the rule cost"):
        Rule("cost", rate=0.1)

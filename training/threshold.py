"""The decision threshold: the probability from which on to say yes, by a stated rule.

It is chosen on what a cross-validation says of rows that it has not seen; held-out rows have no
part in it.
"""

import math
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix_at_thresholds, precision_recall_curve

from cli import UserError

RULES = ("f1", "cost", "rate")


class ThresholdRuleError(UserError):
    """The rule cannot be followed as asked."""


@dataclass(frozen=True)
class ThresholdRule:
    """f1: where F1 is largest; cost: where the costs of wrong decisions add up to least; rate: so
    that this share of the rows gets a yes (0: the share that is one).
    """

    name: str = "f1"
    false_positive_cost: float = 1.0  # what a wrong yes costs, in any unit
    false_negative_cost: float = 1.0  # what a wrong no costs, in the same
    rate: float = 0.0

    def __post_init__(self) -> None:
        """Raises RuleError where the costs or the rate decide nothing."""
        costs = (self.false_positive_cost, self.false_negative_cost)
        if self.name == "cost" and not all(0 < cost < math.inf for cost in costs):
            raise ThresholdRuleError("Both costs must be numbers of more than 0, to be weighed.")
        for name, given in (("cost", costs != (1.0, 1.0)), ("rate", self.rate != 0)):
            if given and self.name != name:
                raise ThresholdRuleError(
                    f"A {name} decides nothing by the rule {self.name}: "
                    f"give --threshold-rule {name}, or leave it out."
                )

    def __str__(self) -> str:
        return {
            "f1": "largest F1",
            "cost": f"least cost, a wrong yes at {self.false_positive_cost:g} and a wrong no at "
            f"{self.false_negative_cost:g}",
            "rate": f"yes to {self.rate:.2%} of the rows" if self.rate else "yes to as many as are",
        }[self.name]

    def choose_threshold(self, label: np.ndarray, probability: np.ndarray) -> float:
        """The threshold by this rule on rows with these labels and out-of-fold probabilities.

        Both of shape (rows,).
        """
        if self.name == "f1":
            precision, recall, thresholds = precision_recall_curve(label, probability)
            f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
            return float(thresholds[np.argmax(f1[:-1])])
        if self.name == "cost":
            _, fp, fn, _, thresholds = confusion_matrix_at_thresholds(label, probability)
            costs = self.false_positive_cost * fp + self.false_negative_cost * fn
            nobody = self.false_negative_cost * np.sum(label)  # a yes to none of them
            return 1.0 if nobody < costs.min() else float(thresholds[np.argmin(costs)])
        rate = self.rate or float(np.mean(label))
        return float(np.quantile(probability, 1 - rate, method="higher"))

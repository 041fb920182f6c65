"""Rules that choose the decision threshold, the probability from which a decision is positive.

A rule is applied to out-of-fold predictions of the cross-validation, never to held-out rows.
"""

import math
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix_at_thresholds, precision_recall_curve

from cli import UserError

RULES = ("f1", "cost", "rate")


class ThresholdRuleError(UserError):
    """The costs or the rate are invalid, or the rule does not use them."""


@dataclass(frozen=True)
class ThresholdRule:
    """A rule: maximize F1 (f1), minimize the cost of wrong decisions (cost), or decide positively
    for a share of the rows (rate; 0 means the observed share of positives).
    """

    name: str = "f1"
    false_positive_cost: float = 1.0
    false_negative_cost: float = 1.0  # in the same unit
    rate: float = 0.0

    def __post_init__(self) -> None:
        """Raises ThresholdRuleError if a cost is invalid, or a cost or rate has no effect."""
        costs = (self.false_positive_cost, self.false_negative_cost)
        if self.name == "cost" and not all(0 < cost < math.inf for cost in costs):
            raise ThresholdRuleError("Both costs must be finite numbers greater than 0.")
        for name, is_set in (("cost", costs != (1.0, 1.0)), ("rate", self.rate != 0)):
            if is_set and self.name != name:
                raise ThresholdRuleError(
                    f"A {name} has no effect on the threshold rule {self.name}: "
                    f"add --threshold-rule {name}, or omit the {name}."
                )

    def __str__(self) -> str:
        if self.name == "cost":
            costs = f"false positive {self.false_positive_cost:g}"
            return f"lowest cost ({costs}, false negative {self.false_negative_cost:g})"
        if self.name == "rate" and not self.rate:
            return "match the observed positive rate"
        return f"positive rate of {self.rate:.2%}" if self.name == "rate" else "largest F1"

    def choose_threshold(self, label: np.ndarray, probability: np.ndarray) -> float:
        """Choose the threshold on labels and out-of-fold probabilities, both of shape (rows,)."""
        if self.name == "f1":
            precision, recall, thresholds = precision_recall_curve(label, probability)
            f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
            return float(thresholds[np.argmax(f1[:-1])])
        if self.name == "cost":
            _, fp, fn, _, thresholds = confusion_matrix_at_thresholds(label, probability)
            costs = self.false_positive_cost * fp + self.false_negative_cost * fn
            all_negative_cost = self.false_negative_cost * np.sum(label)
            return 1.0 if all_negative_cost < costs.min() else float(thresholds[np.argmin(costs)])
        rate = self.rate or float(np.mean(label))
        return float(np.quantile(probability, 1 - rate, method="higher"))

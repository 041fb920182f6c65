"""A scorecard in credit points, as lenders write it, and as CSV.

Points fall as the outcome becomes more likely: a row has `at_odds` points if the odds against the
outcome are `odds` to 1, and `to_double` more points double these odds (Siddiqi, Intelligent credit
scoring, 2nd edition, 2017, chapter 10). The points of a row are the sum of its lines,
which are rounded to hundredths.
"""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scorecard.tables import Scorecard

HEADER = ("column", "cell", "second_column", "second_cell", "log_odds", "points")


@dataclass(frozen=True)
class PointScale:
    """How log odds are converted to points."""

    at_odds: float = 600.0
    odds: float = 50.0
    to_double: float = 20.0

    @property
    def factor(self) -> float:
        """Points per unit of the log odds against the outcome."""
        return self.to_double / math.log(2)

    def base(self, intercept: float) -> float:
        """The points of a row whose log odds of the outcome are `intercept`."""
        return self.at_odds - self.factor * (math.log(self.odds) + intercept)

    def __str__(self) -> str:
        return (
            f"{self.at_odds:g} points at odds of {self.odds:g} to 1 against the outcome, "
            f"{self.to_double:g} more points double these odds"
        )


def to_csv(card: Scorecard, scale: PointScale) -> str:
    """One line per cell: first the base, then each column, then each pair of columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerow(("(base)", "", "", "", card.intercept, round(scale.base(card.intercept), 2)))
    for *cell, value in _lines(card):
        writer.writerow((*cell, value, round(-scale.factor * value, 2)))
    return text.getvalue()


def _lines(card: Scorecard) -> Iterator[tuple[str, str, str, str, float]]:
    for column, table in zip(card.columns, card.singles, strict=True):
        for cell, value in enumerate(table.tolist()):
            yield column.name, column.label(cell), "", "", value
    for (i, j), table in card.pairs.items():
        first, second = card.columns[i], card.columns[j]
        for (a, b), value in np.ndenumerate(table):
            yield first.name, first.label(a), second.name, second.label(b), float(value)

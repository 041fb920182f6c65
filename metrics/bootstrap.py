"""The bootstrap by group: what a figure might have been with other leads.

The rows of a group depend on each other, so whole groups are drawn, with replacement. Figures that
are made of sums over rows come from one matrix product; the others are handed the rows' weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

CONFIDENCE = 0.95
REPLICATES = 1_000
AT_ONCE = 50  # replicates drawn together, which bounds the memory


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval, of 95 % if nothing else is said."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


class Bootstrap:
    """Resamples of the groups of some rows; the same ones each time it is asked."""

    def __init__(self, group: np.ndarray, replicates: int = REPLICATES, seed: int = 0) -> None:
        """`group` has shape (rows,)."""
        self._codes, groups = pd.factorize(group)
        self._groups, self._replicates, self._seed = len(groups), replicates, seed

    def sums(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The sum of each column, of shape (rows,), over all rows and then over each resample.

        Returns:
            Arrays of shape (1 + replicates,).
        """
        by_group = np.stack([self._by_group(values) for values in columns.values()], axis=1)
        whole = by_group.sum(axis=0, keepdims=True)
        sums = np.concatenate([whole, *(drawn @ by_group for drawn in self._draws())])
        return dict(zip(columns, sums.T, strict=True))

    def weights(self) -> Iterator[np.ndarray]:
        """How often each row counts, of shape (rows,): once each, then as in each resample."""
        yield np.ones(len(self._codes))
        for drawn in self._draws():
            for times in drawn:
                yield times[self._codes]

    def _by_group(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self._codes, weights=values, minlength=self._groups)

    def _draws(self) -> Iterator[np.ndarray]:
        """How often each group is drawn, of shape (up to AT_ONCE, groups)."""
        rng, groups = np.random.default_rng(self._seed), self._groups
        for first in range(0, self._replicates, AT_ONCE):
            yield np.stack(
                [
                    np.bincount(rng.integers(groups, size=groups), minlength=groups)
                    for _ in range(min(AT_ONCE, self._replicates - first))
                ]
            ).astype(np.float64)


def estimate(values: np.ndarray, confidence: float = CONFIDENCE) -> Estimate:
    """The first value, with the percentile interval of all others.

    A resample in which the figure is undefined, as one without a click, does not count.
    """
    others = values[1:][np.isfinite(values[1:])]
    if not len(others):
        return Estimate(float(values[0]), float("nan"), float("nan"))
    edges = np.quantile(others, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(values[0]), *edges.tolist())

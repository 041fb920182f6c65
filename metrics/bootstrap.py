"""A bootstrap that resamples whole groups, for confidence intervals of metrics.

The rows of a group depend on each other, so whole groups are drawn with replacement. A metric that
is made of sums over rows comes from one matrix product; other metrics take the weights of the rows.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

CONFIDENCE = 0.95
REPLICATES = 1_000
REPLICATES_PER_CHUNK = 50  # bounds the memory


@dataclass(frozen=True)
class Estimate:
    """The value of a metric with its confidence interval (95% unless stated otherwise)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


class Bootstrap:
    """Resamples of the groups of some rows; every method uses the same resamples."""

    def __init__(self, group: np.ndarray, replicates: int = REPLICATES, seed: int = 0) -> None:
        """`group` has shape (rows,)."""
        self._codes, groups = pd.factorize(group)
        self._groups, self._replicates, self._seed = len(groups), replicates, seed

    def sums(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Sum each column, of shape (rows,), over all rows and over each resample.

        Returns:
            Arrays of shape (1 + replicates,).
        """
        codes, groups = self._codes, self._groups
        by_group = np.stack([np.bincount(codes, c, groups) for c in columns.values()], axis=1)
        total = by_group.sum(axis=0, keepdims=True)
        sums = np.concatenate([total, *(counts @ by_group for counts in self._group_counts())])
        return dict(zip(columns, sums.T, strict=True))

    def weights(self) -> Iterator[np.ndarray]:
        """The weight of each row, of shape (rows,): first 1 for every row, then per resample."""
        yield np.ones(len(self._codes))
        for counts in self._group_counts():
            for resample in counts:
                yield resample[self._codes]

    def _group_counts(self) -> Iterator[np.ndarray]:
        """How often each group is drawn: (up to REPLICATES_PER_CHUNK, groups)."""
        rng, groups = np.random.default_rng(self._seed), self._groups
        for first in range(0, self._replicates, REPLICATES_PER_CHUNK):
            size = min(REPLICATES_PER_CHUNK, self._replicates - first)
            draws = (rng.integers(groups, size=groups) for _ in range(size))
            counts = [np.bincount(drawn, minlength=groups) for drawn in draws]
            yield np.stack(counts).astype(np.float64)


def estimate(values: np.ndarray, confidence: float = CONFIDENCE) -> Estimate:
    """The first value with the percentile interval of the others, which come from resamples.

    Resamples in which the metric is undefined, such as those without a positive row, are ignored.
    """
    resampled = values[1:][np.isfinite(values[1:])]
    if not len(resampled):
        return Estimate(float(values[0]), float("nan"), float("nan"))
    limits = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(values[0]), *limits.tolist())


def flatten_estimates(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """Estimates as plain metrics: `name`, `name_low` and `name_high`, without undefined ones."""
    metrics: dict[str, float] = {}
    for name, e in estimates.items():
        metrics |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
    return {name: value for name, value in metrics.items() if math.isfinite(value)}

"""The gain of a model over a reference: by how much its log loss is lower, and how sure that is."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from metrics.bootstrap import Estimate

POWER = 0.8


@dataclass(frozen=True)
class MeasuredGain:
    """The mean gain over some rows, with its standard error.

    `degrees_of_freedom` is that of the t distribution of the error; inf means a normal one.
    """

    gain: float
    standard_error: float
    rows: int
    degrees_of_freedom: float = np.inf

    def interval(self, confidence: float) -> Estimate:
        half = self._quantile(confidence) * self.standard_error
        return Estimate(self.gain, self.gain - half, self.gain + half)

    def detectable(self, confidence: float) -> float:
        """The gain that these rows show with a probability of 80% if it is the true one."""
        normal = float(stats.norm.ppf(POWER))
        return (self._quantile(confidence) + normal) * self.standard_error

    def rows_needed(self, confidence: float, margin: float) -> float:
        """How many rows show the measured gain, above a margin, with a probability of 80%.

        The standard error falls with the square root of the number of rows.
        """
        if self.gain <= margin:
            return np.inf
        return self.rows * (self.detectable(confidence) / (self.gain - margin)) ** 2

    def _quantile(self, confidence: float) -> float:
        return float(stats.t.ppf((1 + confidence) / 2, self.degrees_of_freedom))


def combine(first: MeasuredGain, second: MeasuredGain) -> MeasuredGain:
    """The mean gain over the rows of both, which are different rows.

    The smaller number of degrees of freedom makes the interval a little too wide, not too narrow.
    """
    rows = first.rows + second.rows
    shares = first.rows / rows, second.rows / rows
    return MeasuredGain(
        shares[0] * first.gain + shares[1] * second.gain,
        float(np.hypot(shares[0] * first.standard_error, shares[1] * second.standard_error)),
        rows,
        min(first.degrees_of_freedom, second.degrees_of_freedom),
    )

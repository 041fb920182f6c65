"""The promotion gate: the checks that a challenger must pass to become the champion."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metrics import calibration
from metrics.bootstrap import Bootstrap, Estimate, estimate
from metrics.classification import log_losses
from metrics.gain import MeasuredGain, combine
from problems import Problem
from training.dataset import Rows

# The gate may run every night, so it must rarely pass a model that is better by chance alone: at
# 95%, one in ten models of shuffled labels passed.
CONFIDENCE = 0.99
FIRST_CONFIDENCE = 0.95  # of a first champion, which is trained once and replaces nothing
REPLICATES = 4_000


@dataclass(frozen=True)
class Verdict:
    """The result of the gate; the challenger is promoted if there is no reason to refuse it."""

    measured: MeasuredGain  # the reference's log loss minus the challenger's
    confidence: float
    margin: float
    gain: Estimate  # with its interval
    gain_by_rows: Mapping[str, Estimate]  # on each kind of rows
    log_loss: float
    reference_log_loss: float
    slope: Estimate
    canaries_match: bool
    calibration_band: tuple[float, float]

    @property
    def is_promoted(self) -> bool:
        return not self.refusal_reasons

    @property
    def has_gain(self) -> bool:
        return self.gain.low > self.margin

    @property
    def described_gain(self) -> str:
        """The gain with its interval, and the number of rows that it was measured on."""
        gain = self.gain
        interval = f"{self.confidence:.0%} interval {gain.low:.5f} to {gain.high:.5f}"
        return f"{gain.value:.5f} ({interval}) on {self.measured.rows:,} rows"

    @property
    def refusal_reasons(self) -> list[str]:
        """The checks that failed, each as a clause."""
        reasons = []
        if not self.has_gain:
            more = f" by more than {self.margin:g}" if self.margin else ""
            reasons.append(
                f"its log loss is not significantly lower{more}: the gain is {self.described_gain}"
            )
        low, high = self.calibration_band
        if not (self.slope.low <= high and self.slope.high >= low):
            reasons.append(
                f"its probabilities are not calibrated: the calibration slope is {self.slope}, "
                f"outside {low:g} to {high:g}"
            )
        if not self.canaries_match:
            reasons.append("it failed the canary check: its answers differ from those at training")
        return reasons


def apply_gate(
    problem: Problem,
    rows: Rows,
    challenger: np.ndarray,
    reference: np.ndarray,
    margin: float,
    *,
    canaries_match: bool,
    cross_validated: MeasuredGain | None = None,
) -> Verdict:
    """Judge a challenger's probabilities for held-out rows against a reference's, both (rows,).

    A challenger passes if all of the following hold: the lower end of the interval of its gain in
    log loss exceeds `margin`; the interval of its calibration slope overlaps the problem's
    calibration band; and `canaries_match` is true.

    The interval of the gain is a 99% one, from a paired bootstrap of whole groups. A first champion
    may also pass with a 95% interval of the mean gain over all labeled rows, each predicted by a
    model that has not seen it; `cross_validated` is then its gain on the training rows.
    """
    bootstrap = Bootstrap(rows.group, REPLICATES)
    losses, reference_losses = (log_losses(rows.label, p) for p in (challenger, reference))
    sums = bootstrap.sums({"rows": np.ones(len(rows)), "gain": reference_losses - losses})
    gains = sums["gain"] / sums["rows"]
    measured = MeasuredGain(float(gains[0]), float(np.std(gains[1:])), len(rows))
    confidence, gain = CONFIDENCE, estimate(gains, CONFIDENCE)
    gain_by_rows = {f"{len(rows):,} held-out rows": gain}
    if cross_validated and not gain.low > margin:
        confidence, measured = FIRST_CONFIDENCE, combine(cross_validated, measured)
        gain = measured.interval(confidence)
        gain_by_rows = {
            f"{len(rows):,} held-out rows": estimate(gains, confidence),
            f"{cross_validated.rows:,} cross-validated rows": cross_validated.interval(confidence),
            "all of them": gain,
        }
    return Verdict(
        measured=measured,
        confidence=confidence,
        margin=margin,
        gain=gain,
        gain_by_rows=gain_by_rows,
        log_loss=float(losses.mean()),
        reference_log_loss=float(reference_losses.mean()),
        slope=estimate(calibration.calibration_slope(rows.label, challenger, bootstrap)),
        canaries_match=canaries_match,
        calibration_band=problem.calibration_band,
    )

"""The gate between a challenger and the alias that serves: is it better, and may it be trusted."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from metrics import calibration
from metrics.bootstrap import Bootstrap, Estimate, estimate
from problems import Problem
from registry import model_files
from registry.versions import RegisteredVersion
from training.dataset import Rows
from training.evaluate import log_losses

# of the gain: a gate is tried night after night, and noise that happens to point the right way is
# a little better than a base rate; at 95 % one in ten models of shuffled labels passed
CONFIDENCE = 0.99
REPLICATES = 4_000


@dataclass(frozen=True)
class Verdict:
    """What the held-out rows say of a challenger; promoted if nothing falls short."""

    gain: Estimate  # how much less its log loss is than its rival's, with its 99 % interval
    log_loss: float
    reference_log_loss: float
    slope: Estimate
    resampled_gains: np.ndarray = field(repr=False)  # the gain in each resample, (replicates,)
    refusal_reasons: tuple[str, ...]

    @property
    def is_promoted(self) -> bool:
        return not self.refusal_reasons


def apply_gate(
    problem: Problem,
    rows: Rows,
    challenger: np.ndarray,
    rival: np.ndarray,
    margin: float,
    *,
    as_logged: bool,
) -> Verdict:
    """Judge the challenger's probabilities for held-out rows against its rival's, both (rows,).

    It has to be better by more than `margin` in log loss at the lower end of a 99 % interval, from
    a paired bootstrap of whole groups; to be calibrated as far as the problem asks; and
    (`as_logged`) to answer its canary rows as it did when it was trained.
    """
    bootstrap = Bootstrap(rows.group, REPLICATES)
    ours, theirs = log_losses(rows.label, challenger), log_losses(rows.label, rival)
    sums = bootstrap.sums({"rows": np.ones(len(rows)), "gain": theirs - ours})
    gains = sums["gain"] / sums["rows"]
    gain = estimate(gains, CONFIDENCE)
    slope = estimate(calibration.calibration_slope(rows.label, challenger, bootstrap))
    low, high = problem.calibration_band
    shortfalls = []
    if not gain.low > margin:
        more = f" by more than {margin:g}" if margin else ""
        shortfalls.append(
            f"its log loss is not surely less{more}: {_less(gain)} on {len(rows):,} held-out rows"
        )
    if not (slope.low <= high and slope.high >= low):
        shortfalls.append(
            f"its calibration slope of {slope} lies outside {low:g} to {high:g}: its probabilities "
            "are not what they say"
        )
    if not as_logged:
        shortfalls.append("it does not answer its canary rows as it did when it was trained")
    return Verdict(
        gain, float(ours.mean()), float(theirs.mean()), slope, gains[1:], tuple(shortfalls)
    )


def predict_probabilities(version: RegisteredVersion, features: pd.DataFrame) -> np.ndarray:
    """What a version answers to these rows, loaded as a server loads it; shape (rows,)."""
    served = model_files.load(version)
    return np.asarray(served.predict(features[list(version.features)]))[:, 1]


def answers_as_logged(version: RegisteredVersion, problem: Problem) -> bool:
    """Does the version, loaded as a server loads it, answer its canary rows as at training."""
    rows = pd.DataFrame(version.canary.rows, columns=list(version.features))
    rows = rows.astype(dict.fromkeys(problem.numbers, "float64"))
    return version.canary.is_answered_by(predict_probabilities(version, rows).tolist())


def _less(gain: Estimate) -> str:
    return f"less by {gain.value:.5f} ({gain.low:.5f} to {gain.high:.5f})"

"""Rank candidates: the best one first, unless one that is as good answers much faster."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Run

MAX_SLOWDOWN = 2.0  # of the chosen candidate against the fastest one that is as good


@dataclass(frozen=True)
class Standing:
    """The properties that a candidate is ranked by; its run in MLflow logs them."""

    name: str
    log_loss: float  # cross-validated
    standard_error: float
    single_row_ms: float
    is_benchmark: bool = False
    number: str = ""  # of the model version, once there is one

    @classmethod
    def from_run(cls, number: str, run: Run | None, tags: Mapping[str, str]) -> "Standing":
        """Read the metrics of a candidate's run, and the tags of its model version.

        Release 0.1.0 had the tag `yardstick` in place of `benchmark`.
        """
        metrics = run.data.metrics if run else {}
        return cls(
            name=tags.get("candidate", "unknown"),
            log_loss=metrics.get("cv_log_loss", math.inf),
            standard_error=metrics.get("cv_log_loss_se", 0.0),
            single_row_ms=metrics.get("single_row_ms", 0.0),
            is_benchmark="yes" in (tags.get("benchmark"), tags.get("yardstick")),
            number=number,
        )


def rank(standings: Sequence[Standing]) -> list[Standing]:
    """Sort candidates by log loss, but put the best one that is fast enough first.

    A candidate is as good as the best if its log loss is within one standard error of the best's
    (Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984, 3.4.3). Of
    these candidates, the first one is chosen that takes at most twice as long for a single row as
    the fastest of them.
    """
    by_loss = sorted(standings, key=lambda s: s.log_loss)
    best = by_loss[0]
    as_good = [s for s in by_loss if s.log_loss <= best.log_loss + best.standard_error]
    fastest = min(s.single_row_ms for s in as_good)
    first = next(s for s in as_good if s.single_row_ms <= MAX_SLOWDOWN * fastest)
    return [first, *(s for s in by_loss if s is not first)]


def explain_choice(standings: Sequence[Standing]) -> str:
    """Explain why the first candidate of `rank` is first."""
    if len(standings) == 1:
        return "it is the only candidate to choose from"
    first, second, *_ = rank(standings)
    if first.log_loss > second.log_loss:
        return (
            "its cross-validated log loss is within one standard error of that of "
            f"{second.name}, and it answers a row in {first.single_row_ms:.1f} instead of "
            f"{second.single_row_ms:.1f} ms"
        )
    return (
        f"its cross-validated log loss is {first.log_loss:.4f}, that of {second.name} is "
        f"{second.log_loss:.4f}"
    )

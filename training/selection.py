"""Which of several candidates is to serve: the best, unless one as good answers much faster."""

from collections.abc import Sequence
from dataclasses import dataclass

SLOWER = 2.0  # how many times as long as the fastest of equals the chosen one may take for a row


@dataclass(frozen=True)
class Standing:
    """A candidate's cross-validated log loss with its standard error, and its time for one row."""

    name: str
    log_loss: float
    standard_error: float
    single_row_ms: float


def rank(standings: Sequence[Standing]) -> list[Standing]:
    """The candidates, the one to serve first, the others by log loss.

    As good as the best are those within one standard error of it (Breiman, Friedman, Olshen and
    Stone, Classification and Regression Trees, 1984, 3.4.3). Of these the ones that take more than
    twice the fastest's time for a single row are passed over.
    """
    by_loss = sorted(standings, key=lambda s: s.log_loss)
    best = by_loss[0]
    as_good = [s for s in by_loss if s.log_loss <= best.log_loss + best.standard_error]
    fastest = min(s.single_row_ms for s in as_good)
    first = next(s for s in as_good if s.single_row_ms <= SLOWER * fastest)
    return [first, *(s for s in by_loss if s is not first)]


def explain_choice(standings: Sequence[Standing]) -> str:
    """Why the first of `ranked` is first, in words."""
    first, *others = rank(standings)
    if not others:
        return "it is the only one that may serve unasked"
    if first.log_loss > others[0].log_loss:
        return (
            f"within a standard error of {others[0].name} by cross-validated log loss, it answers "
            f"a row in {first.single_row_ms:.1f} instead of {others[0].single_row_ms:.1f} ms"
        )
    return (
        f"its cross-validated log loss is {first.log_loss:.4f}, that of {others[0].name} "
        f"{others[0].log_loss:.4f}"
    )

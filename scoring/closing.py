"""How a scoring run ends: what is shown of it, and the proof that no row is lost."""

from collections.abc import Mapping

from cli import UserError
from cli.terminal import print_table
from db.results import TableCounts


class Incomplete(UserError):
    """The run ended, but not with every row scored and the counts in agreement."""

    exit_code = 5


class TooManyRejected(UserError):
    """The version rejects more of the table than it may."""

    exit_code = 5

    def __init__(self, model_id: str, reasons: Mapping[str, int]) -> None:
        counts = ", ".join(f"{n:,} for: {reason}" for reason, n in list(reasons.items())[:5])
        super().__init__(
            f"{model_id} rejects more rows than --max-rejected allows ({counts}): mend the rows or "
            "the model and say --replay, or allow more."
        )


def print_counts(
    title: str, counts: TableCounts, reasons: Mapping[str, int], more: Mapping[str, int]
) -> None:
    """Print how a version stands on a table, and why it rejected what it did."""
    header = ("selected", "scored", "rejected", "pending", *more)
    row = (counts.selected, counts.scored, counts.rejected, counts.pending, *more.values())
    print_table(title, header, [row])
    if reasons:
        print_table("Rejected", ("rows", "reason"), [(n, reason) for reason, n in reasons.items()])


def check_counts(counts: TableCounts, *, complete: bool, script: str) -> None:
    """Make sure that the counts agree, and that a complete run left nothing pending.

    Raises:
        Incomplete: they do not, or it did.
    """
    if not counts.is_consistent:
        raise Incomplete(
            f"The counts do not agree: {counts.selected:,} selected, but {counts.scored:,} scored, "
            f"{counts.rejected:,} rejected and {counts.pending:,} pending; was the table changed "
            "by something other than ingest.py?"
        )
    if counts.pending and complete:
        raise Incomplete(f"{counts.pending:,} rows are still pending: run {script} again.")

"""The flags that score_client.py and score_spark.py have in common."""

import argparse
from collections.abc import Callable, Sequence

import cli

# flag, type, metavar, default and help text
NumberFlag = tuple[str, Callable[[str], float], str, float, str]


def add_scoring_flags(
    parser: argparse.ArgumentParser, own_flags: Sequence[NumberFlag], max_rejected_help: str
) -> None:
    """Add a script's own numeric flags, followed by the flags that both scripts have."""
    parser.add_argument(
        "--model",
        default="",
        metavar="URI",
        help="model version to score with: models:/name@alias or models:/name/number (default: "
        "the problem's champion)",
    )
    for flag, kind, metavar, default, text in (
        *own_flags,
        ("--limit", cli.at_least(0), "N", 0, "maximum number of rows to score; 0 scores all"),
        ("--max-rejected", cli.fraction, "FRACTION", 0.01, max_rejected_help),
    ):
        help = f"{text} (default: %(default)s)"
        parser.add_argument(flag, type=kind, default=default, metavar=metavar, help=help)
    replay = "also score the rows that this version rejected in earlier runs"
    cli.add_yes_no_flag(parser, "--replay", replay)
    cli.add_yes_no_flag(parser, "--dry-run", "print how many rows would be scored, and exit")

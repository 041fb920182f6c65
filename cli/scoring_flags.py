"""The flags that score_client.py and score_spark.py have in common."""

import argparse

import cli


def add_scoring_flags(parser: argparse.ArgumentParser, max_rejected_help: str) -> None:
    """Add the flags that both scripts have."""
    model = (
        "model version to score with: models:/name@alias or models:/name/number (default: the "
        "problem's champion)"
    )
    cli.add_flag(parser, "--model", "URI", model)
    limit = "maximum number of rows to score; 0 scores all"
    cli.add_flag(parser, "--limit", "N", limit, 0, cli.at_least(0))
    cli.add_flag(parser, "--max-rejected", "FRACTION", max_rejected_help, 0.01, cli.fraction)
    replay = "also score the rows that this version rejected in earlier runs"
    cli.add_yes_no_flag(parser, "--replay", replay)
    cli.add_yes_no_flag(parser, "--dry-run", "print how many rows would be scored, and exit")

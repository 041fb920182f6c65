"""Run score_client.py in this process."""

from pathlib import Path

import score_client
from tests.support.scripts import run_main


def score(database: Path | str, endpoint: str, *flags: object) -> int:
    """Run score_client.py, and return its exit code."""
    return run_main(score_client.main, "--database", database, "--endpoint", endpoint, *flags)

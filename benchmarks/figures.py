"""What one figure is, and what all of them are measured on."""

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import problems
from registry import aliases

PROJECT = Path(__file__).parents[1]
PROBLEM = problems.load()
URI = aliases.champion_uri(PROBLEM.model_name)


def when_and_where() -> tuple[str, str]:
    """Today's date, and what this machine is, as reports head their figures with."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB"
    return f"{datetime.now(UTC):%Y-%m-%d}", machine


@dataclass(frozen=True)
class Figure:
    """One figure: what was measured, its bound, what was found, and the numbers behind it."""

    name: str
    bound: str
    found: str
    reached: bool
    behind: str


@dataclass(frozen=True)
class Bench:
    """Where everything lies: source files, loaded databases, and the served champion."""

    folder: Path
    source: Path
    endpoint: str
    rows: int

    def copy(self, name: str = "full") -> Path:
        """A copy of a loaded database in which nothing is scored yet."""
        for old in self.folder.glob("work.db*"):
            old.unlink()
        return Path(shutil.copy(self.folder / f"{name}.db", self.folder / "work.db"))

    def client(self, name: str = "full", endpoint: str = "") -> Sequence[object]:
        """The client's command on such a copy, and on the served champion if no other is named."""
        database, url = self.copy(name), endpoint or self.endpoint
        return (PROJECT / "score_client.py", "--database", database, "--endpoint", url)

"""The result of a benchmark, and the files, databases and endpoint that benchmarks share."""

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


def date_and_machine() -> tuple[str, str]:
    """Return today's date and a description of this machine for the heading of a report."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores ({platform.machine()}) and {memory:.0f} GiB of memory"
    return f"{datetime.now(UTC):%Y-%m-%d}", machine


def remove_database(database: Path) -> Path:
    """Remove a SQLite database and the files beside it that belong to it; return its path."""
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    return database


@dataclass(frozen=True)
class Figure:
    """One benchmark: its name, target and measured value, and the numbers it was computed from."""

    name: str
    target: str
    measured: str
    is_reached: bool
    details: str


@dataclass(frozen=True)
class BenchmarkSetup:
    """The folder of loaded databases, the source files, and the address of the champion."""

    folder: Path
    source: Path
    endpoint: str
    rows: int

    def copy(self, name: str = "full") -> Path:
        """Copy a loaded database in which no row is scored."""
        work = remove_database(self.folder / "work.db")
        return Path(shutil.copy(self.folder / f"{name}.db", work))

    def client(self, name: str = "full", endpoint: str = "") -> Sequence[object]:
        """Return the client's command for such a copy; the default endpoint serves the champion."""
        database, url = self.copy(name), endpoint or self.endpoint
        return (PROJECT / "score_client.py", "--database", database, "--endpoint", url)

"""Run commands as whole processes, and read what the operating system says they took."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds on the clock, MiB at its peak; and what it printed."""

    wall: float
    peak: float
    output: str


def run(*argv: object, environment: Mapping[str, str] | None = None) -> Taken:
    """Run `python ARGV` to its end.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *map(str, argv)],
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"{argv} ended with {process.returncode}:\n{text[-2000:]}")
    unit = 1024 if sys.platform == "linux" else 1024**2  # KiB there, bytes elsewhere
    return Taken(wall, usage.ru_maxrss / unit, text)


def in_turn(*measures: Callable[[], float], runs: int = RUNS) -> list[list[float]]:
    """Measure each in turn, A B A B …, after one turn that does not count; a list for each."""
    found: list[list[float]] = [[] for _ in measures]
    for turn in range(runs + 1):
        for values, measure in zip(found, measures, strict=True):
            value = measure()
            if turn:
                values.append(value)
    return found


def ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """The median of the ratios turn by turn, which holds when the machine's speed drifts."""
    return statistics.median(a / b for a, b in zip(these, those, strict=True))


def shown(values: Sequence[float], digits: int = 2) -> str:
    """A median with its range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"

"""Run commands as whole processes, and read what the operating system says they took."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds on the clock, MiB at its peak; and what it printed."""

    wall: float
    peak: float
    output: str


# A process's peak is at least what the one that started it had at that moment, so a small one does.
LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
wall = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([wall, peak, done.returncode, done.stdout.decode(errors="replace")]))
"""


def run(*argv: object) -> Taken:
    """Run `python ARGV` to its end.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-I", "-S", "-c", LAUNCHER, sys.executable, *map(str, argv)]
    launched = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    wall, peak, code, output = json.loads(launched.stdout)
    if code:
        raise RuntimeError(f"{argv} ended with {code}:\n{output[-2000:]}")
    unit = 1024 if sys.platform == "linux" else 1024**2  # KiB there, bytes elsewhere
    return Taken(wall, peak / unit, output)


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

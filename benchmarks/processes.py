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
    """What a process took: seconds on the clock, MiB at its peak; and what it printed.

    `peak` is that of its largest process; `together`, if it was asked for, that of all of them,
    looked at ten times a second, where pages that they share count once (Linux); `own` is that
    without the pages of files, which the system takes back when it needs them.
    """

    wall: float
    peak: float
    together: float
    own: float
    output: str


# A process's peak is at least what the one that started it had at that moment, so a small one does.
LAUNCHER = """
import json, os, pathlib, resource, subprocess, sys, threading, time

NO_EXEC = 0x40  # of a process's flags: it is as it was forked

def tree(pid):
    yield pid
    for tasks in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            if not in_its_parents_memory(child):
                yield from tree(child)

def in_its_parents_memory(pid):
    # as whatever Java starts is for a moment, by vfork: else a gigabyte would count twice
    try:
        flags = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6])
        return bool(flags & NO_EXEC) and os.readlink(f"/proc/{pid}/exe").endswith("/java")
    except OSError:
        return False  # it has ended

def together(pid, name):
    total = 0
    for process in tree(pid):
        try:
            for line in open(f"/proc/{process}/smaps_rollup"):
                total += int(line.split()[1]) if line.startswith(name) else 0
        except OSError:
            pass  # it has ended
    return total

def watch():
    while process.poll() is None:
        for name in most:
            try:
                most[name] = max(most[name], together(process.pid, name))
            except OSError:
                pass
        time.sleep(0.1)

watched, *command = sys.argv[1:]
most, started = {"Pss:": 0, "Pss_Anon:": 0}, time.perf_counter()
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
watching = threading.Thread(target=watch)
if watched == "yes":
    watching.start()
output = process.communicate()[0]
wall = time.perf_counter() - started
if watched == "yes":
    watching.join()
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([wall, peak, *most.values(), process.returncode, output.decode(errors="replace")]))
"""


def run(*argv: object, watched: bool = False) -> Taken:
    """Run `python ARGV` to its end; `watched`, its whole family's memory is looked at.

    Raises:
        RuntimeError: it failed.
    """
    watch = "yes" if watched else "no"
    command = [sys.executable, "-I", "-S", "-c", LAUNCHER, watch, sys.executable, *map(str, argv)]
    launched = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    wall, peak, together, own, code, output = json.loads(launched.stdout)
    if code:
        raise RuntimeError(f"{argv} ended with {code}:\n{output[-2000:]}")
    unit = 1024 if sys.platform == "linux" else 1024**2  # KiB there, bytes elsewhere
    return Taken(wall, peak / unit, together / 1024, own / 1024, output)


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

"""Run commands as processes, and measure their time and memory."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True)
class ProcessUsage:
    """The wall time of a process in seconds, its peaks of memory in MiB, and its output.

    `peak` belongs to the largest process of its family. `family_peak` is the peak of the whole
    family, sampled ten times per second; shared pages count once (Linux). `private_peak` is the
    same without the pages of files, which the system can reclaim at any time.
    """

    wall: float
    peak: float
    family_peak: float
    private_peak: float
    output: str


# A process inherits the peak of its parent, so a small process starts the command.
LAUNCHER = """
import contextlib, json, os, pathlib, resource, subprocess, sys, threading, time

NO_EXEC = 0x40  # a flag of a process that was forked and has not called exec

def tree(pid):
    yield pid
    for tasks in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            if not shares_parent_memory(child):
                yield from tree(child)

def shares_parent_memory(pid):
    # Java starts programs by vfork: for a moment its memory would count twice
    try:
        flags = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6])
        return bool(flags & NO_EXEC) and os.readlink(f"/proc/{pid}/exe").endswith("/java")
    except OSError:
        return False  # the process has ended

def family_memory(pid, name):
    total = 0
    for process in tree(pid):
        with contextlib.suppress(OSError):  # the process has ended
            for line in open(f"/proc/{process}/smaps_rollup"):
                total += int(line.split()[1]) if line.startswith(name) else 0
    return total

def sample():
    while process.poll() is None:
        for name in peaks:
            with contextlib.suppress(OSError):
                peaks[name] = max(peaks[name], family_memory(process.pid, name))
        time.sleep(0.1)

measure_family, *command = sys.argv[1:]
peaks, started = {"Pss:": 0, "Pss_Anon:": 0}, time.perf_counter()
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
sampling = threading.Thread(target=sample)
if measure_family == "yes":
    sampling.start()
output = process.communicate()[0]
wall = time.perf_counter() - started
if measure_family == "yes":
    sampling.join()
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
text = output.decode(errors="replace")
print(json.dumps([wall, peak, *peaks.values(), process.returncode, text]))
"""


def run(*argv: object, measure_family: bool = False) -> ProcessUsage:
    """Run `python ARGV`; with `measure_family`, measure the memory of all its processes.

    Raises:
        RuntimeError: the command failed.
    """
    command = [sys.executable, "-I", "-S", "-c", LAUNCHER, "yes" if measure_family else "no"]
    command += [sys.executable, *map(str, argv)]
    launched = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    wall, peak, family_peak, private_peak, code, output = json.loads(launched.stdout)
    if code:
        raise RuntimeError(f"{argv} ended with {code}:\n{output[-2000:]}")
    unit = 1024 if sys.platform == "linux" else 1024**2  # KiB on Linux, bytes elsewhere
    return ProcessUsage(wall, peak / unit, family_peak / 1024, private_peak / 1024, output)


def measure_alternately(*measures: Callable[[], float], runs: int = RUNS) -> list[list[float]]:
    """Call the measures alternately (A B A B …); return their values without the first turn."""
    all_values: list[list[float]] = [[] for _ in measures]
    for turn in range(runs + 1):
        for values, measure in zip(all_values, measures, strict=True):
            value = measure()
            if turn:
                values.append(value)
    return all_values


def median_ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """Return the median of each turn's ratio; a drift in the machine's speed hardly affects it."""
    return statistics.median(a / b for a, b in zip(these, those, strict=True))


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the median and the range as text."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"

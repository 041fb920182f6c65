"""Benchmarks of score_client.py: its speed compared with baselines, its memory and its startup."""

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.figures import PROBLEM, URI, BenchmarkSetup, Figure
from benchmarks.processes import RUNS, measure_alternately, median_ratio, run, spread
from registry import aliases

ONE_BY_ONE = 1_500  # rows for the baseline: ten seconds at 150 rows per second
LOOK_UP = (
    "import mlflow; mlflow.MlflowClient().get_model_version_by_alias"
    f"({PROBLEM.model_name!r}, {aliases.CHAMPION!r})"
)


def over_rest(bench: BenchmarkSetup) -> Figure:
    def rest() -> float:
        return run(*bench.client()).wall

    def in_process() -> float:
        return run("-m", "benchmarks.in_process", bench.copy(), URI).wall

    ours, theirs = measure_alternately(rest, in_process)
    ratio = median_ratio(ours, theirs)
    details = f"client {spread(ours)} s, in one process {spread(theirs)} s, {bench.rows:,} rows"
    return Figure(
        "From database to REST to database, compared with one process without REST",
        "at most 1.25 times the wall time of the baseline", f"{ratio:.2f}", ratio <= 1.25, details,
    )  # fmt: skip


def original(bench: BenchmarkSetup) -> Figure:
    whole: list[float] = []

    def rest() -> float:
        usage = run(*bench.client())
        whole.append(bench.rows / usage.wall)
        summary = usage.output.rstrip().splitlines()[-1]
        return float(summary.split()[-1].replace(",", ""))

    def one_by_one() -> float:
        return float(run("-m", "benchmarks.original", bench.folder, ONE_BY_ONE).output)

    ours, theirs = measure_alternately(rest, one_by_one)
    speedup = median_ratio(ours, theirs)
    details = (
        f"client {spread(ours, 0)} rows per second, former system {spread(theirs, 0)}, both "
        f"without startup; with startup, client {spread(whole[1:], 0)}, "
        f"{median_ratio(whole[1:], theirs):.0f} times as many"
    )
    return Figure(
        "Rows per second, compared with one web request per row, as in the former system",
        "at least 700 times as many", f"{speedup:.0f}", speedup >= 700, details,
    )  # fmt: skip


def memory(bench: BenchmarkSetup) -> Figure:
    def peak(name: str) -> Callable[[], float]:
        return lambda: run(*bench.client(name)).peak

    full, ten = measure_alternately(peak("full"), peak("ten"))
    growth = median_ratio(ten, full)
    return Figure(
        "Peak memory of the client at ten times the full size",
        "at most 1.2 times the peak at full size, and under 350 MiB",
        f"{growth:.2f}, {max(ten):.0f} MiB", growth <= 1.2 and max(ten) < 350,
        f"at ten times the rows {spread(ten, 0)} MiB, at full size {spread(full, 0)} MiB",
    )  # fmt: skip


def first_batch(bench: BenchmarkSetup) -> Figure:
    results = PROBLEM.scoring.results.table.name

    def client() -> float:
        command = [sys.executable, *map(str, bench.client())]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with contextlib.closing(sqlite3.connect(bench.folder / "work.db")) as connection:
            while not connection.execute(f"SELECT 1 FROM {results} LIMIT 1").fetchall():  # noqa: S608
                time.sleep(0.005)
        seconds = time.perf_counter() - started
        process.kill()
        process.wait()
        return seconds

    ours, theirs = measure_alternately(client, lambda: run("-c", LOOK_UP).wall, runs=2 * RUNS)
    beyond = sorted(a - b for a, b in zip(ours, theirs, strict=True))[len(ours) // 2]
    return Figure(
        "Time to the first stored batch, minus the time that a process needs to import mlflow and "
        "to look up an alias",
        "at most 0.7 s", f"{beyond:.2f} s", beyond <= 0.7,
        f"client {spread(ours)} s, import and lookup {spread(theirs)} s",
    )  # fmt: skip

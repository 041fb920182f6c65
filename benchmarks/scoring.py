"""Figures of score_client.py: its speed beside baselines, its memory, its start."""

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.figures import PROBLEM, URI, Bench, Figure
from benchmarks.processes import RUNS, in_turn, ratio, run, shown
from registry import aliases

ONE_BY_ONE = 1_500  # rows for the original way: ten seconds at 150 a second
LOOK_UP = (
    "import mlflow; mlflow.MlflowClient().get_model_version_by_alias"
    f"({PROBLEM.model_name!r}, {aliases.CHAMPION!r})"
)


def over_rest(bench: Bench) -> Figure:
    def rest() -> float:
        return run(*bench.client()).wall

    def in_process() -> float:
        return run("-m", "benchmarks.in_process", bench.copy(), URI).wall

    ours, theirs = in_turn(rest, in_process)
    found = ratio(ours, theirs)
    behind = f"client {shown(ours)} s, in one process {shown(theirs)} s, {bench.rows:,} rows"
    return Figure(
        "Database to REST to database, against one process without REST",
        "at most 1.25 times its wall time", f"{found:.2f}", found <= 1.25, behind,
    )  # fmt: skip


def original(bench: Bench) -> Figure:
    whole: list[float] = []

    def rest() -> float:
        taken = run(*bench.client())
        whole.append(bench.rows / taken.wall)
        summed_up = taken.output.rstrip().splitlines()[-1]
        return float(summed_up.split()[-1].replace(",", ""))

    def one_by_one() -> float:
        return float(run("-m", "benchmarks.original", bench.folder, ONE_BY_ONE).output)

    ours, theirs = in_turn(rest, one_by_one)
    found = ratio(ours, theirs)
    behind = (
        f"client {shown(ours, 0)} rows a second, original way {shown(theirs, 0)}, both without "
        f"their start; the client's whole process {shown(whole[1:], 0)}, "
        f"{ratio(whole[1:], theirs):.0f} times"
    )
    return Figure(
        "Rows a second, against a web request a row",
        "at least 700 times", f"{found:.0f}", found >= 700, behind,
    )  # fmt: skip


def memory(bench: Bench) -> Figure:
    def peak(name: str) -> Callable[[], float]:
        return lambda: run(*bench.client(name)).peak

    full, ten = in_turn(peak("full"), peak("ten"))
    found = ratio(ten, full)
    return Figure(
        "Peak memory of the client at ten times the rows",
        "at most 1.2 times that at full size, and under 350 MiB",
        f"{found:.2f}, {max(ten):.0f} MiB", found <= 1.2 and max(ten) < 350,
        f"ten times {shown(ten, 0)} MiB, full size {shown(full, 0)} MiB",
    )  # fmt: skip


def first_batch(bench: Bench) -> Figure:
    results = PROBLEM.scoring.results.table.name

    def client() -> float:
        command = [sys.executable, *map(str, bench.client())]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with contextlib.closing(sqlite3.connect(bench.folder / "work.db")) as connection:
            while not connection.execute(f"SELECT 1 FROM {results} LIMIT 1").fetchall():  # noqa: S608
                time.sleep(0.005)
        taken = time.perf_counter() - started
        process.kill()
        process.wait()
        return taken

    ours, theirs = in_turn(client, lambda: run("-c", LOOK_UP).wall, runs=2 * RUNS)
    beyond = sorted(a - b for a, b in zip(ours, theirs, strict=True))[len(ours) // 2]
    return Figure(
        "Start to first stored batch, beyond `import mlflow` and one alias look-up",
        "at most 0.7 s", f"{beyond:.2f} s", beyond <= 0.7,
        f"client {shown(ours)} s, look-up {shown(theirs)} s",
    )  # fmt: skip

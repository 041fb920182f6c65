"""Measure the seven figures of speed and memory, and write benchmarks/RESULTS.md.

    make bench                  # on made-up files of full size: 100,000 leads
    make bench DATA=folder      # on your own; ten times the rows are made up all the same

Every figure is a ratio to a baseline that runs in turn with it, as whole processes with their
start-up, over at least five turns after one that does not count. Takes about half an hour.
"""

import argparse
import contextlib
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

import pyarrow.parquet as pq

import problems
from benchmarks.original import save_model
from benchmarks.processes import RUNS, in_turn, ratio, run, shown
from registry import aliases
from serving.local import served

PROJECT = Path(__file__).parents[1]
RESULTS = PROJECT / "benchmarks" / "RESULTS.md"
PROBLEM = problems.load()
URI = f"models:/{PROBLEM.model_name}@{aliases.CHAMPION}"
FULL, TEN_TIMES = 100_000, 1_000_000  # leads
ONE_BY_ONE = 1_500  # rows for the original way: ten seconds at 150 a second
PACKAGES = (
    "mlflow-skinny",
    "scikit-learn",
    "sqlalchemy",
    "pyarrow",
    "pandas",
    "adbc-driver-sqlite",
)
LOOK_UP = (
    "import mlflow; mlflow.MlflowClient().get_model_version_by_alias"
    f"({PROBLEM.model_name!r}, {aliases.CHAMPION!r})"
)


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

    def client(self, name: str = "full") -> Sequence[object]:
        database = self.copy(name)
        return (PROJECT / "score_client.py", "--database", database, "--endpoint", self.endpoint)


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


def ingest(bench: Bench) -> Figure:
    database, ten_peak = bench.folder / "load.db", 0.0
    peaks: list[float] = []

    def fresh() -> Path:
        for old in bench.folder.glob("load.db*"):
            old.unlink()
        return database

    def ours_loads() -> float:
        taken = run(PROJECT / "ingest.py", "--source", bench.source, "--database", fresh())
        peaks.append(taken.peak)
        return taken.wall

    def bare() -> float:
        return run("-m", "benchmarks.bare_load", bench.source, fresh()).wall

    ours, theirs = in_turn(ours_loads, bare)
    ten_peak = run(
        PROJECT / "ingest.py", "--source", bench.folder / "ten", "--database", fresh()
    ).peak
    found = ratio(ours, theirs)
    return Figure(
        "Ingest with keys and checks, against a bare Arrow (ADBC) load without",
        "at most 1.3 times; memory flat in the rows", f"{found:.2f}", found <= 1.3,
        f"ingest {shown(ours)} s, bare load {shown(theirs)} s; peak at full size "
        f"{shown(peaks, 0)} MiB, at ten times the rows {ten_peak:.0f} MiB (once)",
    )  # fmt: skip


def search(bench: Bench) -> Figure:
    database, size = bench.folder / "full.db", ""

    def ours() -> float:
        nonlocal size
        seconds, points, rows = run("-m", "benchmarks.our_search", database).output.split()
        size = f"{points} grid points, 5 folds, {int(rows):,} rows"
        return float(seconds)

    def theirs(jobs: int) -> Callable[[], float]:
        return lambda: float(run("-m", "benchmarks.original_search", database, jobs).output)

    found, one, all_cores = in_turn(ours, theirs(1), theirs(-1))
    measured = ratio(found, one)
    return Figure(
        "Search of both logistic regressions on all training rows, against the original's own",
        "at most 1 times its time", f"{measured:.2f}", measured <= 1,
        f"ours {shown(found, 1)} s ({size}), original {shown(one, 1)} s (15 grid points, 30 folds, "
        f"13,963 rows, one process as it was); on all cores it takes {shown(all_cores, 1)} s, and "
        f"ours {ratio(found, all_cores):.2f} times as long",
    )  # fmt: skip


def training(bench: Bench) -> Figure:
    database = bench.folder / "full.db"
    taken = [run(PROJECT / "train.py", "--database", database, watched=True) for _ in range(2)]
    quick = [run(PROJECT / "train.py", "--database", database, "--quick") for _ in range(2)]
    peak = max(t.together for t in taken)
    return Figure(
        "Peak memory of train.py at full size, all its processes together",
        "under 2 GiB", f"{peak:,.0f} MiB", peak < 2048,
        f"the larger of 2 runs, of {shown([t.wall for t in taken], 0)} s; with --quick "
        f"{shown([t.wall for t in quick], 0)} s (2 runs)",
    )  # fmt: skip


FIGURES = (over_rest, original, memory, first_batch, ingest, search, training)


def prepare(folder: Path, source: Path) -> int:
    """Load the files, train on the sample, and leave what the baselines need; returns the rows."""
    generate = PROJECT / "data" / PROBLEM.name / "generate.py"
    if not source.is_dir():
        run(generate, "--leads", FULL, "--to", source)
    run(generate, "--leads", TEN_TIMES, "--to", folder / "ten")
    for name, files in (("full", source), ("ten", folder / "ten")):
        database = folder / f"{name}.db"
        run(PROJECT / "ingest.py", "--source", files, "--database", database)
    run(PROJECT / "ingest.py", "--database", folder / "sample.db")
    run(PROJECT / "train.py", "--database", folder / "sample.db")
    run(PROJECT / "promote.py", "--database", folder / "sample.db")
    save_model(URI, folder)
    with contextlib.closing(sqlite3.connect(folder / "full.db")) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM offers").fetchone()
    leads = pq.read_table(next(source.glob("ds_leads*"))).slice(0, ONE_BY_ONE).to_pandas()
    offers = pq.read_table(next(source.glob("ds_offers*"))).to_pandas()
    offers.merge(leads).head(ONE_BY_ONE).to_parquet(folder / "rows.parquet")
    return int(rows)


def report(figures: Sequence[Figure], rows: int, source: str) -> str:
    """The results as Markdown."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions_used = ", ".join(f"{name} {installed(name)}" for name in PACKAGES)
    lines = [
        "# Results",
        "",
        f"Measured by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {source}, {rows:,} offers; "
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, Python "
        f"{platform.python_version()}, {versions_used}. One `mlflow models serve` worker "
        "with OPENBLAS_NUM_THREADS=1, as `make run` starts it. The baselines are `in_process.py`, "
        "`original.py` and `bare_load.py` in this folder, which say what they do.",
        "Whole processes with their start-up, medians (with the range) of "
        f"{RUNS} turns or more; a ratio is the median of the turns' ratios.",
        "",
        "| | figure | wanted | measured | reached | behind it |",
        "|---|---|---|---|---|---|",
    ]
    for number, figure in enumerate(figures, 1):
        reached = "yes" if figure.reached else "**no**"
        cells = (figure.name, figure.bound, f"**{figure.found}**", reached, figure.behind)
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="", metavar="DIR", help="(default: made up)")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of figures; not written")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
        os.chdir(folder)
        os.environ["PYTHONPATH"] = str(PROJECT)
        source = Path(args.source) if args.source else folder / "made_up"
        print("preparing: files, databases, a model ...", flush=True)
        rows = prepare(folder, source)
        figures = []
        with served(URI) as endpoint:
            for number, measure in enumerate(FIGURES, 1):
                if args.only and number not in args.only:
                    continue
                figure = measure(Bench(folder, source, endpoint, rows))
                print(f"{number}. {figure.name}: {figure.found} ({figure.bound})", flush=True)
                print(f"   {figure.behind}", flush=True)
                figures.append(figure)
    text = report(figures, rows, "files given" if args.source else "made-up files of full size")
    if not args.only:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()

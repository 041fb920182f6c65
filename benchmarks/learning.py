"""Benchmarks of ingest.py and train.py: their time compared with baselines, and their memory."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import PROJECT, BenchmarkSetup, Figure, remove_database
from benchmarks.processes import ProcessUsage, measure_alternately, median_ratio, run, spread


def ingest(bench: BenchmarkSetup) -> Figure:
    database = bench.folder / "load.db"
    peaks: list[float] = []

    def load(source: Path) -> ProcessUsage:
        remove_database(database)
        return run(PROJECT / "ingest.py", "--source", source, "--database", database)

    def ours_loads() -> float:
        usage = load(bench.source)
        peaks.append(usage.peak)
        return usage.wall

    def bare() -> float:
        return run("-m", "benchmarks.bare_load", bench.source, remove_database(database)).wall

    ours, theirs = measure_alternately(ours_loads, bare)
    ten_peak = load(bench.folder / "ten").peak
    slowdown = median_ratio(ours, theirs)
    return Figure(
        "Ingest with keys and checks, compared with an Arrow (ADBC) load without them",
        "at most 1.3 times the time; constant memory", f"{slowdown:.2f}", slowdown <= 1.3,
        f"ingest {spread(ours)} s, bare load {spread(theirs)} s; peak at full size "
        f"{spread(peaks, 0)} MiB, at ten times the rows {ten_peak:.0f} MiB (1 run)",
    )  # fmt: skip


def search(bench: BenchmarkSetup) -> Figure:
    database, size = bench.folder / "full.db", ""

    def ours() -> float:
        nonlocal size
        seconds, points, rows = run("-m", "benchmarks.our_search", database).output.split()
        size = f"{points} grid points, 5 folds, {int(rows):,} rows"
        return float(seconds)

    def theirs(jobs: int) -> Callable[[], float]:
        return lambda: float(run("-m", "benchmarks.original_search", database, jobs).output)

    our_seconds, one, all_cores = measure_alternately(ours, theirs(1), theirs(-1))
    measured = median_ratio(our_seconds, all_cores)
    return Figure(
        "Grid search of both logistic regressions on all training rows, compared with the grid "
        "search of the former system (on a sample of 13,963 rows, as many as it had), both on all "
        "cores",
        "at most the time of the baseline", f"{measured:.2f}", measured <= 1,
        f"the search alone: train.py {spread(our_seconds, 1)} s ({size}); former system "
        f"{spread(all_cores, 1)} s (15 grid points, 30 folds), in one process {spread(one, 1)} s",
    )  # fmt: skip


def training(bench: BenchmarkSetup) -> Figure:
    train = (PROJECT / "train.py", "--database", bench.folder / "full.db")
    full = [run(*train, measure_family=True) for _ in range(2)]
    quick = [run(*train, "--quick") for _ in range(2)]
    peak = max(usage.family_peak for usage in full)
    return Figure(
        "Peak memory of train.py at full size, all its processes together",
        "under 1.5 GiB", f"{peak:,.0f} MiB", peak < 1536,
        f"the larger peak of 2 runs; they took {spread([usage.wall for usage in full], 0)} s, with "
        f"--quick {spread([usage.wall for usage in quick], 0)} s (2 runs)",
    )  # fmt: skip

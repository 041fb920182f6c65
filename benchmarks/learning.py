"""Figures of ingest.py and train.py: their time beside baselines, and their memory."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import PROJECT, Bench, Figure
from benchmarks.processes import in_turn, ratio, run, shown


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

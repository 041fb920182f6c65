"""Run twelve benchmarks of speed and memory, and write benchmarks/RESULTS.md.

    make bench                  # on generated files with 100,000 leads
    make bench DATA=folder      # on your files

Some benchmarks use files with 1,000,000 leads, which are always generated. Most
benchmarks compare a script with a baseline. The two run alternately, as whole
processes including startup, at least five times after a warm-up run. RESULTS.md
says where this differs. All benchmarks together take about 45 minutes.
"""

import argparse
import contextlib
import os
import platform
import sqlite3
import tempfile
from collections.abc import Sequence
from importlib.metadata import version as installed
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks import learning, pipelines, scoring, servers, sharing
from benchmarks.figures import PROBLEM, PROJECT, URI, BenchmarkSetup, Figure, date_and_machine
from benchmarks.original import save_model
from benchmarks.processes import RUNS, run
from benchmarks.scoring import ONE_BY_ONE
from scoring.local_server import serve_model

RESULTS = PROJECT / "benchmarks" / "RESULTS.md"
FULL, TEN_TIMES = 100_000, 1_000_000  # leads
PACKAGES = (
    "mlflow-skinny",
    "scikit-learn",
    "sqlalchemy",
    "pyarrow",
    "pandas",
    "adbc-driver-sqlite",
)

FIGURES = (
    scoring.over_rest,
    scoring.original,
    scoring.memory,
    scoring.first_batch,
    learning.ingest,
    learning.search,
    learning.training,
    servers.one_row,
    servers.many_clients,
    servers.bulk,
    sharing.two_clients,
    pipelines.pipeline_time,
)


def prepare(folder: Path, source: Path) -> int:
    """Load the files, train on the sample, prepare the baselines, and return the number of rows."""
    generate = PROJECT / "data" / PROBLEM.name / "generate.py"
    if not source.is_dir():
        run(generate, "--leads", FULL, "--to", source)
    run(generate, "--leads", TEN_TIMES, "--to", folder / "ten")
    for name, files in (("full", source), ("ten", folder / "ten")):
        database = folder / f"{name}.db"
        run(PROJECT / "ingest.py", "--source", files, "--database", database)
    for script in ("ingest.py", "train.py", "promote.py"):
        run(PROJECT / script, "--database", folder / "sample.db")
    save_model(URI, folder)
    with contextlib.closing(sqlite3.connect(folder / "full.db")) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM offers").fetchone()
    leads = pq.read_table(next(source.glob("ds_leads*"))).slice(0, ONE_BY_ONE).to_pandas()
    offers = pq.read_table(next(source.glob("ds_offers*"))).to_pandas()
    offers.merge(leads).head(ONE_BY_ONE).to_parquet(folder / "rows.parquet")
    return int(rows)


def report(figures: Sequence[Figure], rows: int, source: str) -> str:
    """Return the results as Markdown."""
    date, machine = date_and_machine()
    versions_used = ", ".join(f"{name} {installed(name)}" for name in PACKAGES)
    lines = [
        "# Benchmark results",
        "",
        f"Measured by `make bench` on {date}, on {source}, with {rows:,} offers (the *full size*). "
        f"Machine: {machine}. Software: Python {platform.python_version()}, {versions_used}. "
        "One `mlflow models serve` worker runs with OMP_NUM_THREADS=1, as `make run` starts "
        "it. The baselines are described in `in_process.py`, `original.py`, `bare_load.py` and "
        "`original_search.py` in this folder.",
        "",
        "Unless stated otherwise, times are of whole processes including startup: the median (and "
        f"range) of at least {RUNS} runs, which alternate with those of the baseline. A ratio is "
        "the median of the ratios of paired runs.",
        "",
        "| # | benchmark | target | measured | met | details |",
        "|---|---|---|---|---|---|",
    ]
    for number, figure in enumerate(figures, 1):
        reached = "yes" if figure.is_reached else "**no**"
        cells = (figure.name, figure.target, f"**{figure.measured}**", reached, figure.details)
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source_help = "folder of source files (default: generate 100,000 leads)"
    parser.add_argument("--source", default="", metavar="DIR", help=source_help)
    only_help = "run only the benchmarks with these numbers, and do not write RESULTS.md"
    parser.add_argument("--only", type=int, nargs="*", metavar="N", help=only_help)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
        os.chdir(folder)
        os.environ["PYTHONPATH"] = str(PROJECT)
        source = Path(args.source) if args.source else folder / "generated"
        print("preparing: files, databases, a model ...", flush=True)
        rows = prepare(folder, source)
        figures = []
        with serve_model(URI) as endpoint:
            for number, measure in enumerate(FIGURES, 1):
                if args.only and number not in args.only:
                    continue
                figure = measure(BenchmarkSetup(folder, source, endpoint, rows))
                print(f"{number}. {figure.name}: {figure.measured} ({figure.target})", flush=True)
                print(f"   {figure.details}", flush=True)
                figures.append(figure)
    if not args.only:
        kind = "files that are not part of this repository" if args.source else "generated files"
        RESULTS.write_text(report(figures, rows, kind))


if __name__ == "__main__":
    main()

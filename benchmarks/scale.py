"""Measure ingest.py and the scoring scripts by data size, and write SCALE.md.

    python -m benchmarks.scale               # 1, 10 and 100 times 100,000 leads
    python -m benchmarks.scale --times 1 10 --folder sizes   # keep the files

Each script runs once per size, as a whole process. With 100 times 100,000
leads, this takes about 40 minutes and 40 GB of disk on two cores.
"""

import argparse
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.figures import PROBLEM, PROJECT, URI, date_and_machine, remove_database
from benchmarks.processes import ProcessUsage, run
from scoring.local_server import serve_model

RESULTS = PROJECT / "benchmarks" / "SCALE.md"
LEADS = 100_000  # at full size
STEPS = ("ingest.py", "score_client.py", "score_spark.py")


@dataclass(frozen=True)
class Step:
    """One run of a script at one size."""

    script: str
    times: int
    rows: int
    usage: ProcessUsage

    @property
    def at_work(self) -> float:
        """Rows per second without startup, as the scripts print them; ingest.py has hardly any."""
        if self.script == STEPS[0]:
            return self.rows / self.usage.wall
        summary = re.findall(r"([\d,]+) *$", self.usage.output, re.M)
        return float(summary[-1].replace(",", ""))


def measure(folder: Path, times: int, endpoint: str) -> Iterator[Step]:
    """Generate the files of one size if needed, and run each script on them."""
    source, database = folder / f"x{times}", folder / f"x{times}.db"
    if not source.is_dir():
        generate = PROJECT / "data" / PROBLEM.name / "generate.py"
        run(generate, "--leads", LEADS * times, "--to", source)
    (rows,) = (pq.read_metadata(path).num_rows for path in source.glob("ds_offers*"))
    results = folder / f"x{times}.results"
    shutil.rmtree(results, ignore_errors=True)
    remove_database(database)
    for script, flags in (
        (STEPS[0], ("--source", source, "--database", database)),
        (STEPS[1], ("--database", database, "--endpoint", endpoint)),
        (STEPS[2], ("--source", source, "--results", results)),
    ):
        yield Step(script, times, rows, run(PROJECT / script, *flags, measure_family=True))


def report(steps: Sequence[Step]) -> str:
    """Return the results as Markdown."""
    date, machine = date_and_machine()
    lines = [
        "# Benchmarks by data size",
        "",
        f"Each script was run once per size by `python -m benchmarks.scale` on {date}, on "
        f"generated offers ({LEADS:,} applicants times the scale factor) and a machine with "
        f"{machine}. The `mlflow models serve` worker that the client uses ran on the same cores; "
        "its memory is not included.",
        "",
        "Seconds are of the whole process. The rates without startup are those that the scoring "
        "scripts print: they also exclude the checks of the source and the final counts. For "
        "`ingest.py`, whose startup is short, both rates are of the whole process. Peak memory is "
        "that of the process and its children, sampled ten times per second, with shared pages "
        'counted once; "private" excludes file-backed pages. The last two columns are relative to '
        "the smallest size.",
        "",
        "| script | scale factor | offers | seconds | rows/s | rows/s without startup | peak MiB "
        "| private MiB | time per row without startup, relative | private MiB, relative |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for script in STEPS:
        sizes = [step for step in steps if step.script == script]
        for step in sizes:
            usage, cost = step.usage, sizes[0].at_work / step.at_work
            peak = usage.private_peak / sizes[0].usage.private_peak
            lines.append(
                f"| `{script}` | {step.times} | {step.rows:,} | {usage.wall:,.1f} "
                f"| {step.rows / usage.wall:,.0f} | {step.at_work:,.0f} | {usage.family_peak:,.0f} "
                f"| {usage.private_peak:,.0f} | {cost:.2f} | {peak:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    times, times_help = [1, 10, 100], "sizes, in multiples of 100,000 leads (default: 1 10 100)"
    parser.add_argument("--times", type=int, nargs="*", default=times, metavar="N", help=times_help)
    parser.add_argument(
        "--folder",
        default="",
        metavar="DIR",
        help="keep the files in this folder, and reuse source files and a model that exist there "
        "(default: a temporary folder)",
    )
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(args.folder or stack.enter_context(tempfile.TemporaryDirectory())).resolve()
        folder.mkdir(exist_ok=True)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
        os.chdir(folder)
        os.environ["PYTHONPATH"] = str(PROJECT)
        if not (folder / "mlflow.db").exists():
            for script in ("ingest.py", "train.py", "promote.py"):
                run(PROJECT / script, "--database", folder / "sample.db")
        steps = []
        endpoint = stack.enter_context(serve_model(URI))
        for times in args.times:
            for step in measure(folder, times, endpoint):
                print(report([step]).splitlines()[-1], flush=True)
                steps.append(step)
    RESULTS.write_text(report(steps))


if __name__ == "__main__":
    main()

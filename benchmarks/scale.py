"""Measure ingest.py, score_client.py and score_spark.py at growing sizes, into benchmarks/SCALE.md.

    python -m benchmarks.scale                              # 1, 10 and 100 times 100,000 leads
    python -m benchmarks.scale --times 1 10 --folder made   # its files stay, and are used again

Each step once, as a whole process; 100 times takes some 40 minutes and 40 GB on two cores.
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

from benchmarks.figures import PROBLEM, PROJECT, URI, when_and_where
from benchmarks.processes import Taken, run
from scoring.local_server import serve_model

RESULTS = PROJECT / "benchmarks" / "SCALE.md"
LEADS = 100_000  # at full size
STEPS = ("ingest.py", "score_client.py", "score_spark.py")


@dataclass(frozen=True)
class Step:
    """One script at one size: its whole time in seconds, and what it says of its work alone."""

    script: str
    times: int
    rows: int
    taken: Taken

    @property
    def at_work(self) -> float:
        """Rows a second without the start, as the script sums up; ingest.py has hardly any."""
        if self.script == STEPS[0]:
            return self.rows / self.taken.wall
        summed_up = re.findall(r"([\d,]+) *$", self.taken.output, re.M)
        return float(summed_up[-1].replace(",", ""))


def measure(folder: Path, times: int, endpoint: str) -> Iterator[Step]:
    """Each script once on so many times the full size; what they read is made first."""
    source, database = folder / f"x{times}", folder / f"x{times}.db"
    if not source.is_dir():
        generate = PROJECT / "data" / PROBLEM.name / "generate.py"
        run(generate, "--leads", LEADS * times, "--to", source)
    (rows,) = (pq.read_metadata(path).num_rows for path in source.glob("ds_offers*"))
    results = folder / f"x{times}.results"
    shutil.rmtree(results, ignore_errors=True)
    for old in folder.glob(f"x{times}.db*"):
        old.unlink()
    for script, flags in (
        (STEPS[0], ("--source", source, "--database", database)),
        (STEPS[1], ("--database", database, "--endpoint", endpoint)),
        (STEPS[2], ("--source", source, "--results", results)),
    ):
        yield Step(script, times, rows, run(PROJECT / script, *flags, watched=True))


def report(steps: Sequence[Step]) -> str:
    """The results as Markdown."""
    date, machine = when_and_where()
    lines = [
        "# Sizes",
        "",
        f"Measured once each by `python -m benchmarks.scale` on {date}: {machine}; made-up offers, "
        "and one `mlflow models serve` worker for the client, on the same cores. Whole processes; "
        '"at work" is without the start, from the first row read to the last one stored. Memory is '
        "that of a process and all that it started, looked at ten times a second, where pages that "
        'they share count once; "own" is without pages of files. The served model is not in it. '
        "The last two columns compare with the smallest size.",
        "",
        "| script | times full size | offers | seconds | rows a second | at work alone "
        "| peak MiB | own | cost a row at work | peak, own |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for script in STEPS:
        mine = [step for step in steps if step.script == script]
        for step in mine:
            cost = mine[0].at_work / step.at_work
            peak = step.taken.own / mine[0].taken.own
            lines.append(
                f"| `{script}` | {step.times} | {step.rows:,} | {step.taken.wall:,.1f} "
                f"| {step.rows / step.taken.wall:,.0f} | {step.at_work:,.0f} "
                f"| {step.taken.together:,.0f} | {step.taken.own:,.0f} | {cost:.2f} | {peak:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--folder", default="", metavar="DIR", help="(default: a temporary one)")
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

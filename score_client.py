"""Score every row that a version has not scored, over REST, and store the results.

    mlflow models serve -m models:/NAME@champion --env-manager local -p 5001   # in a terminal
    python score_client.py                                                     # in another

Finds out once which version the alias means, reads the rows that it has not scored, sends them in
batches, and stores a batch only if the canary rows in it prove that this very version answered.
Stopped or killed, start it again: it scores what is missing, and no row twice. It ends by proving
that selected = scored + rejected + pending. Each run is also a run of the MLflow experiment
"scoring". An endpoint that asks for a token (serve.py --tokens) is given ENDPOINT_TOKEN.
"""

import argparse
import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Engine

import cli
import problems
from cli.terminal import progress
from db import results, runs
from db.engine import database_url, opened
from db.schema import require_tables
from registry.versions import Version
from scoring import closing, opening, record
from scoring.backoff import Limits
from scoring.endpoint import Endpoint, Timeouts
from scoring.scorer import Bounds, Scorer
from scoring.verified_endpoint import ProvenEndpoint
from scoring.watch import Watch

DEFAULTS = Limits()
Found = TypeVar("Found")
LOCK_SECONDS = 2.0  # for one try; between tries we listen to signals


@dataclass(frozen=True)
class Job:
    """What is scored, where, by which version, and how it is watched."""

    engine: Engine
    problem: problems.Problem
    version: Version
    endpoint: Endpoint
    watch: Watch

    def ask(self, work: Callable[..., Found]) -> Found:
        """What the database says of this version's work."""
        scoring, model_id = self.problem.scoring, self.version.model_id
        return self.watch.patiently(work, self.engine, scoring, model_id)

    def __str__(self) -> str:
        return f"{self.version.model_id} on {self.engine.url.render_as_string(hide_password=True)}"


def parser() -> argparse.ArgumentParser:
    made = cli.parser(__doc__)
    made.add_argument(
        "--endpoint", default="http://127.0.0.1:5001", metavar="URL", help="(default: %(default)s)"
    )
    numbers: list[opening.Number] = [
        (
            "--batch-size",
            cli.at_least(1, 1_000_000),
            DEFAULTS.batch_size,
            "most rows a request",
        ),
        ("--in-flight", cli.at_least(1, 64), DEFAULTS.in_flight, "most requests at once"),
        ("--timeout", cli.some_seconds, Timeouts.read, "seconds to wait for one answer"),
        (
            "--max-wait",
            cli.seconds,
            DEFAULTS.max_wait,
            "seconds to try again for, while nothing succeeds",
        ),
        (
            "--wait-for-version",
            cli.seconds,
            DEFAULTS.wait_for_version,
            "seconds to wait for, while the endpoint serves another version",
        ),
    ]
    max_rejected = "stop when the version has rejected more than this share of the rows"
    opening.add_flags(made, numbers, max_rejected)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    token = os.environ.get("ENDPOINT_TOKEN", "")
    endpoint = Endpoint(args.endpoint, Timeouts(read=args.timeout), token)
    with opened(database_url(args.database), lock_seconds=LOCK_SECONDS) as engine:
        require_tables(engine, problem.metadata)
        version, problem = opening.chosen(args.model, problem)
        with cli.finishing_first() as stop:
            watch = Watch(stop.asked, args.max_wait)
            job = Job(engine, problem, version, endpoint, watch)
            if args.dry_run:
                preview(job, args)
            else:
                gc.freeze()  # else reading takes half as long again: collections search all imports
                score(job, args)
        return stop.exit_code


def preview(job: Job, args: argparse.Namespace) -> None:
    """Print what a run with these flags would send, without sending or storing anything."""
    counts = job.ask(results.reconcile)
    rows = counts.pending + (counts.rejected if args.replay else 0)
    rows = min(args.limit or rows, rows)
    sum_up(job, counts, {"would score": rows, "requests": -(-rows // args.batch_size)})


def score(job: Job, args: argparse.Namespace) -> None:
    """Score what is pending, as a row of the scoring runs and a run of MLflow, and sum up.

    Raises:
        EndpointError, TooManyRejected: the run had to end early; what it stored stays.
        Incomplete: the counts disagree, or rows are pending for no reason.
    """
    version, watch = job.version, job.watch
    watch.patiently(
        runs.remember_version,
        job.engine,
        *(version.model_id, version.logged_model_id, version.registry, version.threshold),
    )
    if args.replay:
        job.ask(results.forget_rejected)
    before, error = job.ask(results.reconcile), None
    with record.recording(version, parameters(job, args)):
        run = watch.patiently(runs.start_run, job.engine, version.model_id, job.endpoint.url)
        scorer = Scorer(
            job.engine,
            job.problem,
            ProvenEndpoint(job.endpoint, version, job.problem.features),
            run,
            Limits(args.batch_size, args.in_flight, args.max_wait, args.wait_for_version),
            Bounds(args.limit, int(args.max_rejected * before.selected)),
            watch,
        )
        started, outcome = time.monotonic(), "interrupted"
        try:
            total = min(args.limit or before.pending, before.pending)
            with progress(f"score {run.model_id}", total) as bar:
                watch.advance, watch.say = bar.advance, bar.say
                scorer.run()
            if not watch.stop.is_set():
                outcome = "limited" if args.limit else "finished"
        except cli.UserError as raised:
            outcome, error = "failed", raised
        except Exception:  # the database's, or a bug
            outcome = "failed"
            raise
        finally:
            did = watch.patiently(runs.end_run, job.engine, job.problem.scoring, run, outcome)
        seconds, counts = time.monotonic() - started, job.ask(results.reconcile)
        sum_up(job, counts, {"this run": did.rows, "rows a second": round(did.rows / seconds)})
        record.log(scorer.tally, did, counts, outcome, seconds)
        if error:
            raise error
    closing.prove(counts, complete=outcome == "finished", script="score_client.py")


def parameters(job: Job, args: argparse.Namespace) -> dict[str, object]:
    """What a run of MLflow is told of this one."""
    flags = ("batch_size", "in_flight", "limit")
    return {
        "endpoint": job.endpoint.url,
        "database": job.engine.url.render_as_string(hide_password=True),
        **{flag: getattr(args, flag) for flag in flags},
        "replay": cli.yes_or_no(args.replay),
    }


def sum_up(job: Job, counts: results.Counts, more: Mapping[str, int]) -> None:
    closing.show(str(job), counts, job.ask(results.reasons), more)


if __name__ == "__main__":
    cli.run(main)

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
from db.engine import database_url, open_database
from db.schema import require_tables
from registry.versions import RegisteredVersion
from scoring import closing, opening, record
from scoring.backoff import ScoringLimits
from scoring.endpoint import ModelEndpoint, Timeouts
from scoring.scorer import RowLimits, Scorer
from scoring.verified_endpoint import VerifiedEndpoint
from scoring.watch import RunControl

DEFAULTS = ScoringLimits()
Found = TypeVar("Found")
LOCK_SECONDS = 2.0  # for one try; between tries we listen to signals


@dataclass(frozen=True)
class ScoringJob:
    """What is scored, where, by which version, and how it is watched."""

    engine: Engine
    problem: problems.Problem
    version: RegisteredVersion
    endpoint: ModelEndpoint
    watch: RunControl

    def ask(self, work: Callable[..., Found]) -> Found:
        """What the database says of this version's work."""
        scoring, model_id = self.problem.scoring, self.version.model_id
        return self.watch.retry_database(work, self.engine, scoring, model_id)

    def __str__(self) -> str:
        return f"{self.version.model_id} on {self.engine.url.render_as_string(hide_password=True)}"


def parser() -> argparse.ArgumentParser:
    made = cli.argument_parser(__doc__)
    made.add_argument(
        "--endpoint", default="http://127.0.0.1:5001", metavar="URL", help="(default: %(default)s)"
    )
    numbers: list[opening.NumberFlag] = [
        (
            "--batch-size",
            cli.at_least(1, 1_000_000),
            DEFAULTS.batch_size,
            "most rows a request",
        ),
        ("--in-flight", cli.at_least(1, 64), DEFAULTS.in_flight, "most requests at once"),
        ("--timeout", cli.positive_seconds, Timeouts.read, "seconds to wait for one answer"),
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
    endpoint = ModelEndpoint(args.endpoint, Timeouts(read=args.timeout), token)
    with open_database(database_url(args.database), lock_seconds=LOCK_SECONDS) as engine:
        require_tables(engine, problem.metadata)
        version, problem = opening.resolve_version(args.model, problem)
        with cli.stop_gracefully() as stop:
            watch = RunControl(stop.requested, args.max_wait)
            job = ScoringJob(engine, problem, version, endpoint, watch)
            if args.dry_run:
                preview(job, args)
            else:
                gc.freeze()  # else reading takes half as long again: collections search all imports
                score(job, args)
        return stop.exit_code


def preview(job: ScoringJob, args: argparse.Namespace) -> None:
    """Print what a run with these flags would send, without sending or storing anything."""
    counts = job.ask(results.reconcile)
    rows = counts.pending + (counts.rejected if args.replay else 0)
    rows = min(args.limit or rows, rows)
    sum_up(job, counts, {"would score": rows, "requests": -(-rows // args.batch_size)})


def score(job: ScoringJob, args: argparse.Namespace) -> None:
    """Score what is pending, as a row of the scoring runs and a run of MLflow, and sum up.

    Raises:
        EndpointError, TooManyRejected: the run had to end early; what it stored stays.
        Incomplete: the counts disagree, or rows are pending for no reason.
    """
    version, watch = job.version, job.watch
    watch.retry_database(
        runs.remember_version,
        job.engine,
        *(version.model_id, version.logged_model_id, version.registry, version.threshold),
    )
    if args.replay:
        job.ask(results.delete_rejected)
    before, error = job.ask(results.reconcile), None
    with record.open_mlflow_run(version, parameters(job, args)):
        run = watch.retry_database(runs.start_run, job.engine, version.model_id, job.endpoint.url)
        scorer = Scorer(
            job.engine,
            job.problem,
            VerifiedEndpoint(job.endpoint, version, job.problem.features),
            run,
            ScoringLimits(args.batch_size, args.in_flight, args.max_wait, args.wait_for_version),
            RowLimits(args.limit, int(args.max_rejected * before.selected)),
            watch,
        )
        started, outcome = time.monotonic(), "interrupted"
        try:
            total = min(args.limit or before.pending, before.pending)
            with progress(f"score {run.model_id}", total) as bar:
                watch.advance, watch.notify = bar.advance, bar.print_message
                scorer.run()
            if not watch.stop.is_set():
                outcome = "limited" if args.limit else "finished"
        except cli.UserError as raised:
            outcome, error = "failed", raised
        except Exception:  # the database's, or a bug
            outcome = "failed"
            raise
        finally:
            did = watch.retry_database(runs.end_run, job.engine, job.problem.scoring, run, outcome)
        seconds, counts = time.monotonic() - started, job.ask(results.reconcile)
        sum_up(job, counts, {"this run": did.rows, "rows a second": round(did.rows / seconds)})
        record.log_outcome(scorer.tally, did, counts, outcome, seconds)
        if error:
            raise error
    closing.check_counts(counts, complete=outcome == "finished", script="score_client.py")


def parameters(job: ScoringJob, args: argparse.Namespace) -> dict[str, object]:
    """What a run of MLflow is told of this one."""
    flags = ("batch_size", "in_flight", "limit")
    return {
        "endpoint": job.endpoint.url,
        "database": job.engine.url.render_as_string(hide_password=True),
        **{flag: getattr(args, flag) for flag in flags},
        "replay": cli.yes_or_no(args.replay),
    }


def sum_up(job: ScoringJob, counts: results.TableCounts, more: Mapping[str, int]) -> None:
    closing.print_counts(str(job), counts, job.ask(results.rejection_reasons), more)


if __name__ == "__main__":
    cli.run(main)

"""Score the pending rows of a table over REST, and store the results.

    mlflow models serve -m models:/NAME@champion --env-manager local -p 5001
    python score_client.py                     # in a second terminal

NAME is the model's name in MLflow. When the client starts, it resolves --model
(by default, the problem's champion) to a version, and uses that version until
it ends, even if the alias moves. It sends the pending rows, which this version
has neither scored nor rejected, in batches. Each batch contains canary rows:
synthetic rows whose probabilities are stored with the version. A batch is
stored only if they come back with these probabilities.

If the client is stopped or killed, start it again: it scores the rows that are
still pending, and never scores a row twice. At the end it checks that every row
is counted exactly once: as scored, rejected or pending. Each run is also logged
to the MLflow experiment `scoring`. If the endpoint requires a token
(serve.py --tokens), pass it in the environment variable ENDPOINT_TOKEN.

The first Ctrl-C or SIGTERM stops the client after it has stored the results of
its requests in flight; the second one stops it at once.
"""

import argparse
import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Engine

import cli
import problems
from cli import flags
from cli.terminal import progress
from db import results, runs
from db.engine import database_url, open_database
from db.schema import require_tables
from db.table_specs import ScoringSpec
from registry.versions import RegisteredVersion
from scoring import run as scoring_run
from scoring.backoff import ScoringLimits
from scoring.endpoint import ModelEndpoint, Timeouts
from scoring.run import RunControl
from scoring.scorer import Scorer
from scoring.verified_endpoint import VerifiedEndpoint

DEFAULTS = ScoringLimits()
LOCK_SECONDS = 2.0  # per try; between tries the client reacts to signals
T = TypeVar("T")


@dataclass(frozen=True)
class ScoringJob:
    """The rows to score, the version and the endpoint that score them, and the run's control."""

    engine: Engine
    problem: problems.Problem
    version: RegisteredVersion
    endpoint: ModelEndpoint
    control: RunControl

    def query(self, work: Callable[[Engine, ScoringSpec, str], T]) -> T:
        """Call a function of `db.results` for this job's version."""
        scoring, model_id = self.problem.scoring, self.version.model_id
        return self.control.retry_database(work, self.engine, scoring, model_id)

    @property
    def database(self) -> str:
        return self.engine.url.render_as_string(hide_password=True)

    def __str__(self) -> str:
        return f"{self.version.model_id} on {self.database}"


def parser() -> argparse.ArgumentParser:
    parser = flags.argument_parser(__doc__)
    flags.add_flag(parser, "--endpoint", "URL", "URL of the endpoint", "http://127.0.0.1:5001")
    max_wait = (
        "give up after this many seconds in which no request succeeds, or in which the database "
        "stays locked or full"
    )
    other_version = (
        "seconds to keep retrying while the endpoint serves another version; then exit with code 4"
    )
    batch_size, in_flight = flags.at_least(1, 1_000_000), flags.at_least(1, 64)
    for flag, metavar, help, default, kind in (
        ("batch-size", "N", "maximum number of rows per request", DEFAULTS.batch_size, batch_size),
        ("in-flight", "N", "maximum number of requests in flight", DEFAULTS.in_flight, in_flight),
        ("timeout", "SECONDS", "time limit per request", Timeouts.read, flags.positive_seconds),
        ("max-wait", "SECONDS", max_wait, DEFAULTS.max_wait, flags.seconds),
        ("wait-for-version", "SECONDS", other_version, DEFAULTS.wait_for_version, flags.seconds),
    ):
        flags.add_flag(parser, f"--{flag}", metavar, help, default, kind)
    rejected = "stop if this version rejects more than this fraction of all rows, in all runs"
    flags.add_scoring_flags(parser, rejected)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    token = os.environ.get("ENDPOINT_TOKEN", "")
    endpoint = ModelEndpoint(args.endpoint, Timeouts(read=args.timeout), token)
    with open_database(database_url(args.database), lock_seconds=LOCK_SECONDS) as engine:
        require_tables(engine, problem.metadata)
        version, problem = scoring_run.resolve_version(args.model, problem)
        with cli.stop_gracefully() as stop:
            control = RunControl(stop.requested, args.max_wait)
            job = ScoringJob(engine, problem, version, endpoint, control)
            if args.dry_run:
                preview(job, args)
            else:
                gc.freeze()  # without it, garbage collections make reading half as slow again
                score(job, args)
        return stop.exit_code


def preview(job: ScoringJob, args: argparse.Namespace) -> None:
    """Print what a run with these flags would send, without sending or storing anything."""
    counts = job.query(results.reconcile)
    rows = counts.pending + (counts.rejected if args.replay else 0)
    rows = min(args.limit or rows, rows)
    extra = {"would score": rows, "requests": -(-rows // args.batch_size)}
    scoring_run.print_counts(str(job), counts, job.query(results.rejection_reasons), extra)


def score(job: ScoringJob, args: argparse.Namespace) -> None:
    """Score the pending rows, record the run in the database and in MLflow, and print a summary.

    Raises:
        EndpointError, TooManyRejected: the run ended early; the results stored so far remain.
        Incomplete: the counts do not agree, or rows are pending for no reason.
    """
    version, control = job.version, job.control
    control.retry_database(
        runs.remember_version,
        job.engine,
        version.model_id,
        version.logged_model_id,
        version.registry,
        version.threshold,
    )
    if args.replay:
        job.query(results.delete_rejected)
    before = job.query(results.reconcile)
    total = min(args.limit or before.pending, before.pending)
    limits = ScoringLimits(
        batch_size=args.batch_size,
        in_flight=args.in_flight,
        max_wait=args.max_wait,
        wait_for_version=args.wait_for_version,
        max_rows=args.limit,
        max_rejected=int(args.max_rejected * before.selected),
    )
    with scoring_run.open_mlflow_run(version, parameters(job, args)):
        run = control.retry_database(runs.start_run, job.engine, version.model_id, job.endpoint.url)
        endpoint = VerifiedEndpoint(job.endpoint, version, job.problem.features)
        scorer = Scorer(job.engine, job.problem, endpoint, run, limits, control)
        try:
            with (
                scoring_run.track_outcome(control.stop, limited=args.limit > 0) as outcome,
                progress(f"score {run.model_id}", total) as bar,
            ):
                control.advance, control.notify = bar.advance, bar.print_message
                scorer.run()
        finally:
            run_counts = control.retry_database(
                runs.end_run, job.engine, job.problem.scoring, run, outcome.status
            )
        counts, reasons = job.query(results.reconcile), job.query(results.rejection_reasons)
        statistics = scorer.statistics
        scoring_run.report_outcome(str(job), outcome, run_counts, counts, reasons, statistics)
    scoring_run.check_counts(counts, outcome, "score_client.py")


def parameters(job: ScoringJob, args: argparse.Namespace) -> dict[str, object]:
    """Return the parameters that are logged to MLflow."""
    return {
        "endpoint": job.endpoint.url,
        "database": job.database,
        "batch_size": args.batch_size,
        "in_flight": args.in_flight,
        "limit": args.limit,
        "replay": cli.yes_or_no(args.replay),
    }


if __name__ == "__main__":
    cli.run(main)

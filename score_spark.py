"""Score the pending rows of a table on a Spark cluster.

    python score_spark.py --source DIR --results scores   # on this machine
    python score_spark.py --master spark://host:7077 --source hdfs:///lake \\
        --results hdfs:///scores                          # on a cluster
    python score_spark.py --database postgresql://host/lender --results scores \\
        --conf spark.jars=/usr/share/java/postgresql.jar  # a JDBC driver

Install requirements-spark.txt and Java 17 first. The rows come from Parquet
files, which are checked by the same rules as in ingest.py, or from a
PostgreSQL database that ingest.py has loaded. The results are written as
Parquet; `python ingest.py --results scores` imports them into the database.

Every executor verifies the model with the version's canary rows, in every
batch. Results are written in commits. Each commit is stored completely or not
at all. If a run stops or is killed, start it again: it scores the rows that are
still pending, which the version has neither scored nor rejected, and never
scores a row twice. At the end the script checks that every row is counted
exactly once: as scored, rejected or pending. Each run is logged to the MLflow
experiment `scoring`.

The first Ctrl-C or SIGTERM stops the script after the current commit; the
second one stops it at once.
"""

import argparse
import contextlib
import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Engine

import cli
import problems
from cli import flags
from cli.terminal import print_table, progress
from db.engine import database_url, open_database
from db.schema import require_tables
from db.staging import FileReport
from scoring import run as scoring_run
from spark.errors import SparkError
from spark.session import start_session

if TYPE_CHECKING:
    from spark.cluster_job import ClusterJob


def parser() -> argparse.ArgumentParser:
    parser = flags.argument_parser(__doc__, database=False)
    database = (
        "URL of a PostgreSQL database, postgresql://user@host/name (default: $DATABASE_URL); "
        "SQLite is not supported"
    )
    flags.add_flag(parser, "--database", "URL", database)
    source = "folder of Parquet source files; without it, the rows are read from --database"
    flags.add_flag(parser, "--source", "DIR", source)
    flags.add_flag(parser, "--results", "DIR", "folder to write the results to", "scores")
    master = 'Spark master URL, or "" to take it from spark-submit or spark-defaults.conf'
    flags.add_flag(parser, "--master", "URL", master, "local[*]")
    conf = "Spark settings, such as 'spark.executor.memory=4g spark.jars=postgresql.jar'"
    flags.add_flag(parser, "--conf", "SETTINGS", conf)
    commit_rows = "approximate number of rows per commit"
    flags.add_flag(parser, "--commit-rows", "N", commit_rows, 5_000_000, flags.at_least(1))
    max_rejected = (
        "stop if the checks reject more than this fraction of a source file, or the model version "
        "rejects more than this fraction of all rows"
    )
    flags.add_scoring_flags(parser, max_rejected)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    version, problem = scoring_run.resolve_version(args.model, problems.load(args.problem))
    # MLflow would warn that the executors must have the same packages, on every run
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
    # when the user stops the run, Py4J would log each interrupted call
    logging.getLogger().addFilter(lambda log: "while sending command" not in log.getMessage())
    with contextlib.ExitStack() as stack:
        source: str | Engine = args.source
        if not args.source:
            source = stack.enter_context(open_database(database_url(args.database)))
            require_network(source)
            require_tables(source, problem.metadata)
        print(f"Starting Spark, {args.master or 'as its settings say'} ...", flush=True)
        name = f"score {version.model_id}"
        spark = stack.enter_context(start_session(name, args.master, args.conf.split()))
        from spark.cluster_job import prepare_job  # here, because start_session looks for PySpark

        job = prepare_job(spark, problem, version, source, args.results, args.max_rejected)
        return score(stack.enter_context(job), args)


def require_network(database: Engine) -> None:
    """Make sure that executors can connect to a database. Raises SparkError if not."""
    host = database.url.host or ""
    if database.dialect.name != "postgresql" or not host or host.startswith("/"):
        raise SparkError(
            "Spark can read only PostgreSQL at a network address, not "
            f"{database.url.render_as_string(hide_password=True)}: give one with --database, or a "
            "folder of Parquet files with --source."
        )


def score(job: "ClusterJob", args: argparse.Namespace) -> int:
    """Score the pending rows in an MLflow run, or only count them; returns the exit code.

    Raises:
        UnverifiedModel, TooManyRejected: the run ended early; its commits stay.
        Incomplete: the counts are inconsistent, or rows are still pending.
    """
    from spark.cluster_scorer import ClusterScorer, RunLimits

    replay, dry = args.replay, args.dry_run
    job.results.record_version(job.staging, dry=dry)
    rows = job.snapshot_rows()
    before = job.results.count_rows(rows)
    rejected_rows = job.source.rejected_rows(before.selected)
    print_rejected_rows(job.source.reports)
    pending = before.pending + (before.rejected if replay else 0)
    total = min(args.limit or pending, pending)
    if dry:
        reasons = job.results.rejection_reasons(rows)
        scoring_run.print_counts(str(job), before, reasons, {"would score": total})
        return 0
    new_run = scoring_run.open_mlflow_run(job.version, parameters(job, args))
    with new_run as run_id, cli.stop_gracefully() as stop:
        if rejected_rows is not None:
            job.results.write_rejected_rows(rejected_rows, job.staging, run_id)
        max_rejected = int(args.max_rejected * before.selected)
        max_rejected -= 0 if replay else before.rejected
        limits = RunLimits(args.limit, args.commit_rows, max_rejected)
        scorer = ClusterScorer(job, rows, run_id, limits)
        tracker = scoring_run.track_outcome(stop.requested, limited=args.limit > 0)
        with tracker as outcome, progress(f"score {job.version.model_id}", total) as bar:
            scorer.run(replay, stop.requested, bar.advance)
        counts, reasons = job.results.count_rows(rows), job.results.rejection_reasons(rows)
        run_counts, statistics = scorer.run_counts, scorer.statistics
        scoring_run.report_outcome(str(job), outcome, run_counts, counts, reasons, statistics)
    scoring_run.check_counts(counts, outcome, "score_spark.py")
    return stop.exit_code


def parameters(job: "ClusterJob", args: argparse.Namespace) -> dict[str, object]:
    """The parameters to log to the MLflow run."""
    flags = ("results", "master", "conf", "commit_rows", "limit")
    values = {flag: getattr(args, flag) for flag in flags}
    return {"source": str(job.source), **values, "replay": cli.yes_or_no(args.replay)}


def print_rejected_rows(reports: Sequence[FileReport]) -> None:
    """Print how many rows of each file failed the checks, and why."""
    if counts := [(r.file, n, reason) for r in reports for reason, n in r.rejected.most_common()]:
        print_table("Rejected rows of the source", ("file", "rows", "reason"), counts)


if __name__ == "__main__":
    cli.run(main)

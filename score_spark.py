"""Score every row that a version has not scored, on the cores of a Spark cluster, into Parquet.

    python score_spark.py --source FOLDER --results scores                # this machine's cores
    python score_spark.py --source hdfs:///lake --results hdfs:///scores --master spark://host:7077
    python score_spark.py --database postgresql://host/lender --results scores    # by JDBC

Reads what ingest.py would read, in Parquet, with the same checks, or a PostgreSQL database that it
loaded. Every executor proves by the canary rows, batch by batch, that it scores with this very
version. Results are added a commit at a time, each whole or not at all: stopped or killed, start
it again, and it scores what is missing, and no row twice. It ends by proving that selected = scored
+ rejected + pending, and is a run of the MLflow experiment "scoring". `python ingest.py --results
scores` brings the results into the table of results. Needs requirements-spark.txt and Java 17.
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
from cli.scoring_flags import add_scoring_flags
from cli.terminal import print_table, progress
from db.engine import database_url, open_database
from db.schema import require_tables
from db.staging import FileReport
from scoring import run as scoring_run
from spark import session

if TYPE_CHECKING:
    from spark.cluster_job import ClusterJob


def parser() -> argparse.ArgumentParser:
    made = cli.argument_parser(__doc__)
    made.add_argument(
        "--source", default="", metavar="DIR", help="folder of Parquet files (default: a database)"
    )
    made.add_argument(
        "--results", default="scores", metavar="DIR", help="where results go (default: %(default)s)"
    )
    made.add_argument(
        "--master",
        default="local[*]",
        metavar="URL",
        help='the cluster, or "" for what spark-submit or its files say (default: %(default)s)',
    )
    made.add_argument(
        "--conf",
        default="",
        metavar="SETTINGS",
        help="settings of Spark, as 'spark.executor.memory=4g spark.jars=postgresql.jar'",
    )
    commit_rows = (
        "--commit-rows",
        cli.at_least(1),
        5_000_000,
        "about how many rows a commit has",
    )
    max_rejected = "stop when more than this share of a file or of the rows is rejected"
    add_scoring_flags(made, [commit_rows], max_rejected)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    version, problem = scoring_run.resolve_version(args.model, problems.load(args.problem))
    # it says of every run that executors have this Python's packages, as they are to have
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
    # a stop cuts off its calls of Java, which is no news
    logging.getLogger().addFilter(lambda said: "while sending command" not in said.getMessage())
    with contextlib.ExitStack() as stack:
        database = None
        if not args.source:
            database = stack.enter_context(open_database(database_url(args.database)))
            require_network(database)
            require_tables(database, problem.metadata)
        name = f"score {version.model_id}"
        print(f"Starting Spark, {args.master or 'as its settings say'} ...", flush=True)
        spark = stack.enter_context(session.start_session(name, args.master, args.conf.split()))
        from spark.cluster_job import (
            prepare_job,  # here, as it needs PySpark, which the session has found
        )

        job = stack.enter_context(prepare_job(spark, problem, version, database, args))
        return score(job, args)


def require_network(database: Engine) -> None:
    """Make sure that executors can read a database. Raises SparkError if not."""
    host = database.url.host or ""
    if database.dialect.name != "postgresql" or not host or host.startswith("/"):
        raise session.SparkError(
            "Spark reads PostgreSQL by its network address, not "
            f"{database.url.render_as_string(hide_password=True)}: name one with --database, or a "
            "folder of Parquet files with --source."
        )


def score(job: "ClusterJob", args: argparse.Namespace) -> int:
    """Score what is pending, as a run of MLflow, and sum up; or only show what would be scored.

    Returns the code to exit with.

    Raises:
        Unproven, TooManyRejected: the run had to end early; what it committed stays.
        Incomplete: the counts disagree, or rows are pending for no reason.
    """
    replay, dry = args.replay, args.dry_run
    job.results.record_version(job.staging, dry=dry)
    rows = job.snapshot_rows()
    before = job.results.count_rows(rows)
    aside = job.source.rejected_rows(before.selected)
    show_set_aside(job.source.reports)
    pending = before.pending + (before.rejected if replay else 0)
    total = min(args.limit or pending, pending)
    if dry:
        scoring_run.print_counts(
            str(job), before, job.results.rejection_reasons(rows), {"would score": total}
        )
        return 0
    with (
        scoring_run.open_mlflow_run(job.version, parameters(job, args)) as run_id,
        cli.stop_gracefully() as stop,
    ):
        if aside is not None:
            job.results.write_rejected_rows(aside, job.staging, run_id)
        scorer = job.create_scorer(rows, before, run_id, args)
        with (
            scoring_run.track_outcome(stop.requested, limited=args.limit > 0) as outcome,
            progress(f"score {job.version.model_id}", total) as bar,
        ):
            scorer.run(replay, stop.requested, bar.advance)
        counts, reasons = job.results.count_rows(rows), job.results.rejection_reasons(rows)
        scoring_run.report_outcome(
            str(job), outcome, scorer.run_counts, counts, reasons, scorer.tally
        )
    scoring_run.check_counts(counts, outcome, "score_spark.py")
    return stop.exit_code


def parameters(job: "ClusterJob", args: argparse.Namespace) -> dict[str, object]:
    """What a run of MLflow is told of this one."""
    flags = ("results", "master", "conf", "commit_rows", "limit")
    return {
        "source": str(job.source),
        **{flag: getattr(args, flag) for flag in flags},
        "replay": cli.yes_or_no(args.replay),
    }


def show_set_aside(reports: Sequence[FileReport]) -> None:
    """Print which rows of the source cannot be scored at all."""
    if bad := [(r.file, n, why) for r in reports for why, n in r.rejected.most_common()]:
        print_table("Set aside", ("file", "rows", "reason"), bad)


if __name__ == "__main__":
    cli.run(main)

"""Score every row that a version has not scored, over REST, and store the results.

    mlflow models serve -m models:/NAME@champion --env-manager local -p 5001   # in a terminal
    python score_client.py                                                     # in another

Finds out once which version the alias means, reads the rows that it has not scored, sends them in
batches, and stores a batch only if the canary rows in it prove that this very version answered.
Stopped or killed, start it again: it scores what is missing, and no row twice. It ends by proving
that selected = scored + rejected + pending.
"""

import argparse
import time
from collections.abc import Sequence

from sqlalchemy import Engine

import console
import problems
from console.show import progress, table
from db import results
from db.engine import database_url, opened
from db.tables import require_tables
from registry import store, versions
from serving.rest import Endpoint
from serving.scoring import Scorer


class Incomplete(console.UserError):
    """The run ended, but not with every row scored and the counts in agreement."""

    exit_code = 5


def parser() -> argparse.ArgumentParser:
    made = console.parser(__doc__)
    made.add_argument(
        "--endpoint", default="http://127.0.0.1:5001", metavar="URL", help="(default: %(default)s)"
    )
    made.add_argument(
        "--model",
        default="",
        metavar="URI",
        help="models:/name@alias or models:/name/number (default: the problem's champion)",
    )
    made.add_argument(
        "--batch-size",
        type=console.at_least(1),
        default=5000,
        help="rows a request (default: 5000)",
    )
    made.add_argument(
        "--limit",
        type=console.at_least(0),
        default=0,
        help="most rows to score (default: 0, all of them)",
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    endpoint = Endpoint(args.endpoint)
    with opened(database_url(args.database)) as engine:
        require_tables(engine, problem.metadata)
        uri = args.model or f"models:/{problem.model_name}@{versions.CHAMPION}"
        version = versions.resolve(store.connect(), uri)
        versions.require_fit(version, problem)
        results.remember_version(
            engine, version.model_id, version.logged_model_id, version.registry, version.threshold
        )
        started = time.monotonic()
        done = score(engine, problem, version, endpoint, args)
        report(engine, problem, version, done, time.monotonic() - started, limited=args.limit > 0)
    return 0


def score(
    engine: Engine,
    problem: problems.Problem,
    version: versions.Version,
    endpoint: Endpoint,
    args: argparse.Namespace,
) -> int:
    """Score what is pending, as a row in the scoring runs; returns the rows that it dealt with."""
    before = results.reconcile(engine, problem.scoring, version.model_id)
    run_id = results.start_run(engine, version.model_id, endpoint.url)
    outcome = "interrupted"
    total = min(args.limit or before.pending, before.pending)
    try:
        with progress(f"score {version.model_id}", total) as bar:
            scorer = Scorer(
                engine, problem, version, endpoint, run_id, args.batch_size, args.limit, bar.advance
            )
            scorer.run()
        outcome = "limited" if args.limit else "finished"
    except console.UserError:
        outcome = "failed"
        raise
    finally:
        done = results.end_run(engine, problem.scoring, run_id, outcome)
    return done


def report(
    engine: Engine,
    problem: problems.Problem,
    version: versions.Version,
    done: int,
    seconds: float,
    *,
    limited: bool,
) -> None:
    """Print how the version now stands on the table.

    Raises:
        Incomplete: the counts disagree, or rows are pending though no limit was set.
    """
    counts = results.reconcile(engine, problem.scoring, version.model_id)
    table(
        f"{version.model_id} on {engine.url.render_as_string(hide_password=True)}",
        ("selected", "scored", "rejected", "pending", "this run", "rows a second"),
        [
            (
                counts.selected,
                counts.scored,
                counts.rejected,
                counts.pending,
                done,
                round(done / max(seconds, 1e-9)),
            )
        ],
    )
    if not counts.agree:
        raise Incomplete(
            f"The counts do not agree: {counts.selected:,} selected, but {counts.scored:,} scored, "
            f"{counts.rejected:,} rejected and {counts.pending:,} pending; was the table changed "
            "by something other than ingest.py?"
        )
    if counts.pending and not limited:
        raise Incomplete(f"{counts.pending:,} rows are still pending: run score_client.py again.")


if __name__ == "__main__":
    console.run(main)

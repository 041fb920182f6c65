"""Search, evaluate and register every candidate model of a problem.

    python train.py
    python train.py --database full.db --seed 1

Reads the loaded tables, holds out rows for good by the hash of their group, searches each
candidate's grid by cross-validation, and registers its best as a version in MLflow, with metrics,
plots and a profile of the data. It moves no alias: that is promote.py's job.
"""

import argparse
import time
from collections.abc import Sequence

import mlflow

import console
import problems
from console.show import table
from db.engine import connect, database_url, explained
from db.tables import require_tables
from modeling import dataset, record
from modeling.search import search
from registry import store

SHOWN = ("cv_log_loss", "test_log_loss", "test_roc_auc", "test_average_precision", "test_brier")


def parser() -> argparse.ArgumentParser:
    made = console.parser(__doc__)
    made.add_argument("--seed", type=int, default=0, help="of all randomness (default: 0)")
    made.add_argument(
        "--folds", type=console.count, default=5, help="of the cross-validation (default: 5)"
    )
    made.add_argument(
        "--jobs", type=int, default=-1, help="processes for the search (default: one a core)"
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    url = database_url(args.database)
    with explained(url):
        engine = connect(url)
        require_tables(engine, problem.metadata)
        data = dataset.read(engine, problem)
    print(f"{problem.name}: {len(data.train):,} rows train, {len(data.test):,} are held out")
    store.connect(create=True)
    with store.explained(), store.own_run(problem.name, "training", {"problem": problem.name}) as run:
        rows = _train(data, args)
        mlflow.set_tag("candidates", ", ".join(str(row[1]) for row in rows))
    table("Held-out metrics", ("version", "candidate", *SHOWN, "seconds"), rows)
    print(f"Training run {run.info.run_id} in {store.shown_uri()}; next: python promote.py")
    return 0


def _train(data: dataset.Dataset, args: argparse.Namespace) -> list[tuple[object, ...]]:
    train = record.training(data, {"seed": args.seed, "folds": args.folds})
    folds = data.folds(args.folds, args.seed)
    rows: list[tuple[object, ...]] = []
    for candidate in data.problem.candidates(data.categories, args.seed):
        started = time.monotonic()
        points = 1
        for values in candidate.grid.values():
            points *= len(values)
        print(f"searching {candidate.name}: {points} grid points, {args.folds} folds", flush=True)
        found = search(candidate, data.train, folds, args.jobs)
        version, scores = record.candidate(data, found, train, args.seed)
        seconds = round(time.monotonic() - started)
        model_id = f"{version.name}/{version.version}"
        rows.append((model_id, candidate.name, *(scores[name] for name in SHOWN), seconds))
    return rows


if __name__ == "__main__":
    console.run(main)

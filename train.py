"""Search, evaluate and register every candidate model of a problem.

    python train.py
    python train.py --database full.db --seed 1

Reads the loaded tables, holds out rows for good by the hash of their group, searches each
candidate's grid by cross-validation, and registers its best as a version in MLflow, with metrics,
plots and a profile of the data. It moves no alias: that is promote.py's job.
"""

import argparse
import math
import time
from collections.abc import Sequence

import mlflow

import console
import problems
from console.show import table
from db.engine import database_url, opened
from db.tables import require_tables
from modeling import dataset, record
from modeling.dataset import Dataset
from modeling.search import search
from registry import store

SHOWN = (
    "cv_log_loss",
    "test_log_loss",
    "test_brier",
    "test_roc_auc",
    "test_average_precision",
    "test_accuracy",
)


def parser() -> argparse.ArgumentParser:
    made = console.parser(__doc__)
    made.add_argument(
        "--seed", type=console.at_least(0), default=0, help="of all randomness (default: 0)"
    )
    made.add_argument(
        "--folds", type=console.at_least(2), default=5, help="of the cross-validation (default: 5)"
    )
    made.add_argument(
        "--jobs",
        type=console.at_least(0),
        default=0,
        help="processes for the search (default: 0, one a core)",
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    with opened(database_url(args.database)) as engine:
        require_tables(engine, problem.metadata)
        data = dataset.read(engine, problem)
    print(f"{problem.name}: {len(data.train):,} rows train, {len(data.test):,} are held out")
    store.connect(create=True)
    tags = {"problem": problem.name}
    with store.explained(), store.own_run(problem.name, "training", tags) as run:
        trained = train(data, args)
        best = min(trained, key=lambda name: trained[name][1]["cv_log_loss"])
        mlflow.set_tag("best_candidate", best)
        mlflow.log_metrics({f"best_{name}": trained[best][1][name] for name in SHOWN})
    names = [f"{name} ({model_id})" for name, (model_id, _) in trained.items()]
    rows = [(metric, *(scores[metric] for _, scores in trained.values())) for metric in SHOWN]
    table("Cross-validated (cv) and on held-out rows (test)", ("", *names), rows)
    print(f"Training run {run.info.run_id} in {store.shown_uri()}.\nNext: python promote.py")
    return 0


def train(data: Dataset, args: argparse.Namespace) -> dict[str, tuple[str, dict[str, float]]]:
    """Search and register each candidate: its name -> its version's model_id and its metrics."""
    logged = record.training(data, {"seed": args.seed, "folds": args.folds})
    folds = data.folds(args.folds, args.seed)
    trained = {}
    for candidate in data.problem.candidates(data.categories, args.seed):
        points = math.prod(len(values) for values in candidate.grid.values())
        print(f"{candidate.name}: {points} grid points, {args.folds} folds ...", flush=True)
        started = time.monotonic()
        found = search(candidate, data.train, folds, args.jobs or -1)
        version, scores = record.candidate(data, found, logged, args.seed)
        best = ", ".join(f"{name}={value}" for name, value in found.best.params.items())
        print(f"{candidate.name}: best {best}, {time.monotonic() - started:.0f} s", flush=True)
        trained[candidate.name] = (f"{version.name}/{version.version}", scores)
    return trained


if __name__ == "__main__":
    console.run(main)

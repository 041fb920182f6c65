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
from collections.abc import Mapping, Sequence

import mlflow
from mlflow.entities.model_registry import ModelVersion

import console
import problems
from console.show import table
from db.engine import database_url, opened
from db.tables import require_tables
from modeling import choice, dataset, record
from modeling.dataset import Dataset
from modeling.search import search
from problems import Candidate
from registry import store, versions

INTERVALS = ("log_loss", "roc_auc", "average_precision")
SHOWN = (
    "test_log_loss",
    "test_brier",
    "test_roc_auc",
    "test_average_precision",
    "single_row_ms",
    "saved_mb",
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
        "--repeats",
        type=console.at_least(0),
        default=0,
        help="of the cross-validation, each with other folds (default: 0, which is 5 where a class "
        "has fewer than 500 rows to train on, else 1)",
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
    candidates = problem.candidates(data.categories, args.seed)
    for candidate in candidates:  # before hours of search
        versions.stock_types(candidate.pipeline)
    store.connect(create=True)
    tags = {"problem": problem.name}
    with store.explained(), store.own_run(problem.name, "training", tags) as run:
        trained = train(data, candidates, args)
        first = choice.ranked([standing(name, scores) for name, (_, scores) in trained.items()])[0]
        mlflow.set_tag("best_candidate", first.name)
        best = trained[first.name][1]
        mlflow.log_metrics({f"best_{name}": value for name, value in best.items()})
    report(problem, trained)
    print(f"Training run {run.info.run_id} in {store.shown_uri()}.\nNext: python promote.py")
    return 0


Trained = dict[str, tuple[ModelVersion, dict[str, float]]]  # by candidate: its version and metrics


def train(data: Dataset, candidates: Sequence[Candidate], args: argparse.Namespace) -> Trained:
    """Search and register each candidate."""
    repeats = args.repeats or data.repeats
    logged = record.training(data, {"seed": args.seed, "folds": args.folds, "repeats": repeats})
    folds = [data.folds(args.folds, args.seed + repeat) for repeat in range(repeats)]
    trained = {}
    for candidate in candidates:
        points = math.prod(len(values) for values in candidate.grid.values())
        fits = f"{points} grid points, {args.folds} folds" + f" {repeats} times" * (repeats > 1)
        print(f"{candidate.name}: {fits} ...", flush=True)
        started = time.monotonic()
        found = search(candidate, data.train, folds, args.jobs or -1)
        trained[candidate.name] = record.candidate(data, found, logged, args.seed)
        best = ", ".join(f"{name}={value}" for name, value in found.best.params.items())
        print(f"{candidate.name}: best {best}, {time.monotonic() - started:.0f} s", flush=True)
    return trained


def standing(name: str, scores: Mapping[str, float]) -> choice.Standing:
    return choice.Standing(
        name, scores["cv_log_loss"], scores["cv_log_loss_se"], scores["single_row_ms"]
    )


def report(problem: problems.Problem, trained: Trained) -> None:
    """Print the candidates side by side, and what each would say of held-out rows."""
    names = [f"{name} ({version.version})" for name, (version, _) in trained.items()]
    each = [scores for _, scores in trained.values()]
    rows: list[tuple[object, ...]] = []
    for metric in INTERVALS:
        rows.append((f"cv_{metric}", *(scores[f"cv_{metric}"] for scores in each)))
        rows.append(
            (
                "  95 % interval",
                *(f"{s[f'cv_{metric}_low']:.4f} to {s[f'cv_{metric}_high']:.4f}" for s in each),
            )
        )
    rows += [(metric, *(scores[metric] for scores in each)) for metric in SHOWN]
    table(f"{problem.model_name}: cross-validated (cv), and on held-out rows", ("", *names), rows)
    decisions = []
    for name, (version, scores) in trained.items():
        chosen, former = float(version.tags["decision_threshold"]), problem.former_threshold
        for rule, threshold, prefix in (
            ("best F1", chosen, "test_"),
            ("former", former, "test_former_"),
        ):
            figures = (scores[f"{prefix}precision"], scores[f"{prefix}recall"])
            decisions.append((name, rule, threshold, *figures))
    header = ("", "rule", "from probability", "precision", "recall")
    table(f"Who is told {problem.words[1]!r} on held-out rows", header, decisions)


if __name__ == "__main__":
    console.run(main)

"""Search, evaluate and register every candidate model of a problem.

    python train.py
    python train.py --database full.db --seed 1 --threshold-rule cost --cost-false-negative 20
    python train.py --table rows.parquet --label clicked

Reads the loaded tables (or one flat file with a column for each feature, and the label), holds out
rows for good by the hash of their group, searches each candidate's grid by cross-validation, and
registers its best as a version in MLflow, with metrics, plots and a model card. It moves no alias:
that is promote.py's job.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import asdict

from sklearn.model_selection import ParameterGrid

import cli
import problems
from cli.terminal import print_table, progress
from problems import Candidate
from registry import model_files, store
from training import data_source, log_and_register, selection
from training.data_source import DataSource
from training.dataset import Dataset
from training.log_and_register import RegisteredCandidate, TrainingContext
from training.search import search_grid
from training.threshold import RULES, ThresholdRule

QUICK_ROWS, QUICK_FOLDS = 30_000, 3
INTERVALS = ("log_loss", "roc_auc", "average_precision")
HELD_OUT = (
    *INTERVALS,
    "calibration_slope",
    "calibration_error",
    "ndcg",
    "ranked_first",
    "accuracy",
    "accuracy_at_half",
    "balanced_accuracy_at_base_rate",
)


def parser() -> argparse.ArgumentParser:
    made = cli.argument_parser(__doc__)
    data_source.add_flags(made)
    whole = cli.at_least
    for flag, kind, default, help in (
        ("--also", str, "", "optional columns to train on too, with commas between, as lender_id"),
        ("--seed", whole(0), 0, "of all randomness (default: 0)"),
        ("--folds", whole(2), 5, "of the cross-validation (default: 5)"),
        (
            "--repeats",
            whole(0),
            0,
            "of the cross-validation, each with other folds (default: 0, which is 5 where a class "
            "has fewer than 500 rows to train on, else 1)",
        ),
        ("--jobs", whole(0), 0, "processes for the search (default: 0, one a core)"),
        ("--cost-false-positive", float, 1.0, "of a wrong yes, for the rule cost (default: 1)"),
        ("--cost-false-negative", float, 1.0, "of a wrong no, in the same unit (default: 1)"),
        (
            "--rate",
            cli.fraction,
            0.0,
            "share of rows that gets a yes, for the rule rate (default: 0, the share that is one)",
        ),
    ):
        made.add_argument(flag, type=kind, default=default, help=help)
    made.add_argument(
        "--threshold-rule",
        choices=RULES,
        default="f1",
        help="how the decision threshold is chosen: largest F1, least cost, or a rate of yes "
        "(default: f1)",
    )
    cli.add_yes_no_flag(
        made,
        "--quick",
        f"search in seconds: {QUICK_FOLDS} folds, once, of {QUICK_ROWS:,} rows; the best are still "
        "fitted on all",
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    rule = ThresholdRule(
        args.threshold_rule, args.cost_false_positive, args.cost_false_negative, args.rate
    )
    problem = problems.load(args.problem).with_optional_columns(filter(None, args.also.split(",")))
    source = DataSource(args.database, args.table, args.label)
    data = source.read(problem)
    print(f"{problem.name}: {len(data.train):,} rows train, {len(data.test):,} are held out")
    candidates = problem.candidates(data.categories, args.seed)
    for candidate in candidates:  # before hours of search
        model_files.types_to_trust(candidate.pipeline)
    store.connect(create=True)
    tags = {"problem": problem.name}
    with (
        store.translate_mlflow_errors(),
        store.run_in_experiment(problem.name, "training", tags) as run,
    ):
        trained, shared = train_candidates(data, candidates, rule, args)
        may_serve = [r for r in trained if not r.search_result.candidate.is_benchmark] or trained
        standings = [registered.standing for registered in may_serve]
        first, why = selection.rank(standings)[0].name, selection.explain_choice(standings)
        log_and_register.log_comparison(trained, first, why, shared)
    print_report(data, trained)
    print(
        f"{first} is best: {why}.\n"
        f"Training run {run.info.run_id} in {store.uri_without_password()}."
    )
    flags = cli.format_flags(problem=args.problem, **asdict(source))
    print(f"Next: python promote.py{flags}")
    return 0


def train_candidates(
    data: Dataset, candidates: Sequence[Candidate], rule: ThresholdRule, args: argparse.Namespace
) -> tuple[list[RegisteredCandidate], TrainingContext]:
    """Search and register each candidate."""
    quick = args.quick
    rows = data.train.sample(QUICK_ROWS, args.seed) if quick else data.train
    count = min(args.folds, QUICK_FOLDS) if quick else args.folds
    repeats = args.repeats or (1 if quick else data.default_repeats)
    shared = log_and_register.log_training(
        data,
        {"seed": args.seed, "folds": count, "repeats": repeats, "rows_searched": len(rows)},
    )
    repeated = [data.folds(rows, count, args.seed + repeat) for repeat in range(repeats)]
    trained = []
    for candidate in candidates:
        started = time.monotonic()
        points = len(ParameterGrid({name: list(v) for name, v in candidate.grid.items()}))
        times = f" {repeats} times" * (repeats > 1)
        what = f"{candidate.name}: {points} grid points, {count} folds{times}"
        with progress(what, points * count * repeats, "fits") as bar:
            found = search_grid(
                candidate, rows, repeated, args.jobs or -1, refit_on=data.train, advance=bar.advance
            )
        threshold = rule.choose_threshold(*found.labels_and_probabilities(rows.label))
        trained.append(
            log_and_register.register_candidate(data, found, threshold, rule, shared, args.seed)
        )
        best = ", ".join(f"{name}={value}" for name, value in found.best.params.items())
        print(f"{candidate.name}: best {best}, {time.monotonic() - started:.0f} s", flush=True)
    return trained, shared


def print_report(data: Dataset, trained: Sequence[RegisteredCandidate]) -> None:
    """Print the candidates side by side, and what each would say of held-out rows."""
    names = [f"{r.search_result.candidate.name}\n({r.version.version})" for r in trained]
    rows: list[tuple[object, ...]] = []
    for metric in INTERVALS:
        rows.append(
            (f"cv {metric}".replace("_", " "), *(r.metrics[f"cv_{metric}"] for r in trained))
        )
        ends = [(r.metrics[f"cv_{metric}_low"], r.metrics[f"cv_{metric}_high"]) for r in trained]
        rows.append(("  95 % interval", *(f"{low:.4f} to {high:.4f}" for low, high in ends)))
    for metric in HELD_OUT:
        if all(
            metric in r.held_out_metrics and math.isfinite(r.held_out_metrics[metric].value)
            for r in trained
        ):
            rows.append(
                (metric.replace("_", " "), *(r.held_out_metrics[metric].value for r in trained))
            )
            ends = [
                (r.held_out_metrics[metric].low, r.held_out_metrics[metric].high) for r in trained
            ]
            rows.append(("  95 % interval", *(f"{low:.4f} to {high:.4f}" for low, high in ends)))
    for metric in ("single_row_ms", "saved_mb"):
        rows.append((metric.replace("_", " "), *(r.metrics[metric] for r in trained)))
    title = f"{data.problem.model_name}: cross-validated (cv), and on held-out rows"
    print_table(title, ("", *names), rows)
    decisions = []
    for r in trained:
        for rule, threshold, suffix in (
            ("chosen", r.threshold, ""),
            ("former", data.problem.former_threshold, "_at_former"),
        ):
            figures = (
                r.held_out_metrics[f"{name}{suffix}"].value for name in ("precision", "recall")
            )
            decisions.append((r.search_result.candidate.name, rule, threshold, *figures))
    header = ("", "rule", "from probability", "precision", "recall")
    print_table(
        f"Who is told {data.problem.outcome_labels[1]!r} on held-out rows", header, decisions
    )


if __name__ == "__main__":
    cli.run(main)

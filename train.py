"""Search, evaluate and register every candidate model of a problem.

    python train.py
    python train.py --database full.db --seed 1
    python train.py --threshold-rule cost --cost-false-negative 20
    python train.py --table rows.parquet --label clicked

The labeled rows come from the database, or from one flat file with a column
for each feature and the label. A hash of the group key decides which rows are
held out; no model is ever trained on them. The grid of each candidate is
searched by cross-validation on the other rows, and its best model is
registered in MLflow as a new version with metrics, plots and a model card.
No alias changes: promote.py decides which version serves.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from sklearn.model_selection import ParameterGrid

import cli
import problems
from cli.terminal import print_table, progress
from metrics import catalog
from metrics.bootstrap import Estimate
from metrics.cross_validation import FoldSummary
from problems import Candidate
from registry import model_files, store
from training import data_source, log_and_register, selection
from training.data_source import DataSource
from training.dataset import Dataset
from training.evaluate import Evaluation, evaluate_candidate
from training.log_and_register import RegisteredCandidate, TrainingContext
from training.search import search_grid
from training.threshold import RULES, ThresholdRule

QUICK_ROWS, QUICK_FOLDS = 30_000, 3


def parser() -> argparse.ArgumentParser:
    parser = cli.argument_parser(__doc__)
    data_source.add_flags(parser)
    for flag, kind, default, help in (
        ("--also", str, "", "comma-separated optional columns to train on, such as lender_id"),
        ("--seed", cli.at_least(0), 0, "seed of all random choices (default: 0)"),
        ("--folds", cli.at_least(2), 5, "number of cross-validation folds (default: 5)"),
        (
            "--repeats",
            cli.at_least(0),
            0,
            "how often to repeat the cross-validation with new folds (default: 0, which means 5 "
            "if a class has fewer than 500 training rows, otherwise 1)",
        ),
        (
            "--jobs",
            cli.at_least(0),
            0,
            "parallel processes of the search (default: 0, one per core)",
        ),
        ("--cost-false-positive", float, 1.0, "for the threshold rule cost (default: 1)"),
        ("--cost-false-negative", float, 1.0, "for the threshold rule cost (default: 1)"),
        (
            "--rate",
            cli.fraction,
            0.0,
            "share of positive decisions, for the threshold rule rate (default: 0, the observed "
            "share of positives)",
        ),
    ):
        parser.add_argument(flag, type=kind, default=default, help=help)
    parser.add_argument(
        "--threshold-rule",
        choices=RULES,
        default="f1",
        help="how to choose the decision threshold: largest F1, lowest cost, or a positive rate "
        "(default: f1)",
    )
    cli.add_yes_no_flag(
        parser,
        "--quick",
        f"search for seconds only, with {QUICK_FOLDS} folds of {QUICK_ROWS:,} rows; the best "
        "models are still fitted on all training rows",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    rule = ThresholdRule(
        args.threshold_rule, args.cost_false_positive, args.cost_false_negative, args.rate
    )
    problem = problems.load(args.problem).with_optional_columns(filter(None, args.also.split(",")))
    source = DataSource(args.database, args.table, args.label)
    data = source.read(problem)
    print(f"{problem.name}: {len(data.train):,} training rows, {len(data.test):,} held-out rows")
    candidates = problem.candidates(data.categories, args.seed)
    for candidate in candidates:  # fail before a search that may take hours
        model_files.types_to_trust(candidate.pipeline)
    store.connect(create=True)
    tags = {"problem": problem.name}
    with (
        store.translate_mlflow_errors(),
        store.run_in_experiment(problem.name, "training", tags) as run,
    ):
        trained, context = train_candidates(data, candidates, rule, args)
        evaluations = [registered.evaluation for registered in trained]
        eligible = [e for e in evaluations if not e.search_result.candidate.is_benchmark]
        standings = [evaluation.standing for evaluation in eligible or evaluations]
        best, reason = selection.rank(standings)[0].name, selection.explain_choice(standings)
        log_and_register.log_comparison(trained, best, reason, context)
    print_metrics(problem.model_name, trained)
    print_decisions(problem.former_threshold, evaluations)
    print(
        f"{best} is best: {reason}.\n"
        f"Training run {run.info.run_id} in {store.uri_without_password()}."
    )
    flags = cli.format_flags(problem=args.problem, **asdict(source))
    print(f"Next: python promote.py{flags}")
    return 0


def train_candidates(
    data: Dataset, candidates: Sequence[Candidate], rule: ThresholdRule, args: argparse.Namespace
) -> tuple[list[RegisteredCandidate], TrainingContext]:
    """Search, evaluate and register each candidate."""
    quick = args.quick
    rows = data.train.sample(QUICK_ROWS, args.seed) if quick else data.train
    count = min(args.folds, QUICK_FOLDS) if quick else args.folds
    repeats = args.repeats or (1 if quick else data.default_repeats)
    params = {"seed": args.seed, "folds": count, "repeats": repeats, "rows_searched": len(rows)}
    context = log_and_register.log_training(data, params)
    folds = [data.folds(rows, count, args.seed + repeat) for repeat in range(repeats)]
    trained = []
    for candidate in candidates:
        started = time.monotonic()
        points = len(ParameterGrid({name: list(v) for name, v in candidate.grid.items()}))
        times = f", {repeats} repeats" * (repeats > 1)
        description = f"{candidate.name}: {points} grid points, {count} folds{times}"
        with progress(description, points * count * repeats, "fits") as bar:
            result = search_grid(
                candidate, rows, folds, args.jobs or -1, refit_on=data.train, advance=bar.advance
            )
        threshold = rule.choose_threshold(*result.labels_and_probabilities(rows.label))
        evaluation = evaluate_candidate(data, result, threshold, args.seed)
        trained.append(
            log_and_register.register_candidate(data, evaluation, rule, context, args.seed)
        )
        seconds = time.monotonic() - started
        print(f"{candidate.name}: best {result.best}, {seconds:.0f} s", flush=True)
    return trained, context


def print_metrics(model_name: str, trained: Sequence[RegisteredCandidate]) -> None:
    """Print the metrics of all candidates side by side."""
    rows: list[tuple[object, ...]] = []
    evaluations = [registered.evaluation for registered in trained]
    for metric in catalog.shown_in(catalog.TRAIN_CV):
        scores = [e.search_result.best.scores[metric.name] for e in evaluations]
        rows += metric_rows(f"CV {metric.title}", [s.mean for s in scores], scores)
    for metric in catalog.shown_in(catalog.TRAIN):
        if all(metric.name in e.held_out_metrics for e in evaluations):
            estimates = [e.held_out_metrics[metric.name] for e in evaluations]
            if all(math.isfinite(e.value) for e in estimates):
                rows += metric_rows(metric.title, [e.value for e in estimates], estimates)
    for metric in catalog.shown_in(catalog.TRAIN_COST):
        rows.append((metric.title, *(r.metrics[metric.name] for r in trained)))
    names = [f"{r.evaluation.name}\n({r.version.version})" for r in trained]
    title = f"{model_name}: cross-validated (CV) metrics, and metrics on held-out rows"
    print_table(title, ("", *names), rows)


def metric_rows(
    title: str, values: Sequence[float], intervals: Sequence[Estimate | FoldSummary]
) -> Iterator[tuple[object, ...]]:
    """Two lines of the table: the values, and their intervals."""
    yield (title, *values)
    yield ("  95% interval", *(f"{i.low:.4f} to {i.high:.4f}" for i in intervals))


def print_decisions(former_threshold: float, evaluations: Sequence[Evaluation]) -> None:
    """Print precision and recall at the chosen and the former threshold."""
    rows = []
    for e in evaluations:
        for rule, threshold, suffix in (
            ("chosen", e.threshold, ""),
            ("former", former_threshold, "_at_former"),
        ):
            names = (f"precision{suffix}", f"recall{suffix}")
            rows.append((e.name, rule, threshold, *(e.held_out_metrics[n].value for n in names)))
    header = ("", "rule", "threshold", "precision", "recall")
    print_table("Decisions on the held-out set, by threshold", header, rows)


if __name__ == "__main__":
    cli.run(main)

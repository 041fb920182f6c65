"""Tune, evaluate and register every candidate model of a problem.

    python train.py
    python train.py --database full.db --seed 1
    python train.py --threshold-rule cost --cost-false-negative 20
    python train.py --table rows.parquet --label clicked

The labeled rows come from the database, or from one flat file with a column
for each feature and the label. A hash of each row's group key (for offers, the
applicant's id) decides whether the row is held out. No model is ever trained on
the held-out rows.

For each candidate, a cross-validated grid search on the other rows chooses the
parameters. The model fitted with them is registered in MLflow as a new version,
with metrics, plots and a model card. The version in use does not change:
promote.py decides which version is served.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import asdict

import cli
import problems
from cli import flags
from cli.terminal import print_table, print_text, progress
from metrics import catalog
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
    parser = flags.argument_parser(__doc__)
    data_source.add_flags(parser)
    whole = flags.at_least
    also = "optional columns to add to the features, comma-separated, such as lender_id"
    flags.add_flag(parser, "--also", "NAMES", also)
    flags.add_flag(parser, "--seed", "N", "seed of all random choices", 0, whole(0))
    flags.add_flag(parser, "--folds", "N", "number of cross-validation folds", 5, whole(2))
    repeats = (
        "number of runs of the cross-validation, each with new folds (default: 0, which means 5 "
        "if the rarer label has fewer than 500 training rows, otherwise 1; with --quick always 1)"
    )
    flags.add_flag(parser, "--repeats", "N", repeats, 0, whole(0))
    jobs = "number of parallel processes (default: 0, which means one per core)"
    flags.add_flag(parser, "--jobs", "N", jobs, 0, whole(0))
    for outcome in ("positive", "negative"):
        cost = f"for --threshold-rule cost: cost of a false {outcome}"
        flags.add_flag(parser, f"--cost-false-{outcome}", "COST", cost, 1.0, float)
    rate = (
        "for --threshold-rule rate: fraction of rows to predict as positive (default: 0, which "
        "means the fraction of positive training rows)"
    )
    flags.add_flag(parser, "--rate", "FRACTION", rate, 0.0, flags.fraction)
    parser.add_argument(
        "--threshold-rule",
        choices=RULES,
        default="f1",
        help="how to choose the decision threshold: f1 maximizes F1, cost minimizes the total cost "
        "of wrong decisions, rate predicts a given fraction of the rows as positive (default: f1)",
    )
    quick_help = (
        f"run the grid search on a sample of {QUICK_ROWS:,} training rows with at most "
        f"{QUICK_FOLDS} folds; the best models are still fitted on all training rows"
    )
    flags.add_yes_no_flag(parser, "--quick", quick_help)
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
    with store.translate_mlflow_errors(), log_and_register.training_run(problem) as run:
        trained, context = train_candidates(data, candidates, rule, args)
        evaluations = [registered.evaluation for registered in trained]
        standings = [evaluation.standing for evaluation in evaluations]
        standings = [s for s in standings if not s.is_benchmark] or standings
        best, reason = selection.rank(standings)[0].name, selection.explain_choice(standings)
        log_and_register.log_comparison(trained, best, reason, context, data)
    print_metrics(problem.model_name, trained)
    print_decisions(problem.former_threshold, evaluations)
    print_text(f"{best} is best: {reason}.")
    print(f"In MLflow: {store.ui_url(store.run_page(run))}")
    print(f"Next: python promote.py{cli.format_flags(problem=args.problem, **asdict(source))}")
    return 0


def train_candidates(
    data: Dataset, candidates: Sequence[Candidate], rule: ThresholdRule, args: argparse.Namespace
) -> tuple[list[RegisteredCandidate], TrainingContext]:
    """Search, evaluate and register each candidate."""
    rows, count, repeats = data.train, args.folds, args.repeats or data.default_repeats
    if args.quick:
        rows, count = rows.sample(QUICK_ROWS, args.seed), min(count, QUICK_FOLDS)
        repeats = args.repeats or 1
    params = {"seed": args.seed, "folds": count, "repeats": repeats, "rows_searched": len(rows)}
    context = log_and_register.log_training(data, params)
    folds = [data.folds(rows, count, args.seed + repeat) for repeat in range(repeats)]
    trained = []
    for candidate in candidates:
        started = time.monotonic()
        points = math.prod(map(len, candidate.grid.values()))
        times = f", {repeats} repeats" * (repeats > 1)
        description = f"{candidate.name}: {points} grid points, {count} folds{times}"
        with progress(description, points * count * repeats, "fits") as bar:
            result = search_grid(
                candidate, rows, folds, args.jobs or -1, refit_on=data.train, advance=bar.advance
            )
        threshold = rule.choose_threshold(*result.labels_and_probabilities(rows.label))
        evaluation = evaluate_candidate(data, result, threshold, args.seed)
        registered = log_and_register.register_candidate(data, evaluation, rule, context, args.seed)
        trained.append(registered)
        seconds = time.monotonic() - started
        print(f"{candidate.name}: best {result.best}, {seconds:.0f} s", flush=True)
    return trained, context


def print_metrics(model_name: str, trained: Sequence[RegisteredCandidate]) -> None:
    """Print the most important metrics of all candidates side by side."""
    shown = [(f"CV {m.title}", f"cv_{m.name}") for m in catalog.shown_in(catalog.CV)]
    shown += [(m.title, m.logged_name) for m in catalog.shown_in(catalog.TRAIN)]
    rows = [(title, *(r.metrics.get(name, math.nan) for r in trained)) for title, name in shown]
    names = [f"{r.evaluation.name}\n({r.version.version})" for r in trained]
    title = f"{model_name}: cross-validated (CV) metrics, and metrics on held-out rows"
    print_table(title, ("", *names), rows)


def print_decisions(former_threshold: float | None, evaluations: Sequence[Evaluation]) -> None:
    """Print precision and recall at the chosen and, if there is one, at the former threshold."""
    metrics, rules = ("precision", "recall"), {"": "chosen", "_at_former": "former"}
    rows = [
        (e.name, rule, threshold, *(e.held_out_metrics[m + suffix].value for m in metrics))
        for e in evaluations
        for (suffix, rule), threshold in zip(
            rules.items(), (e.threshold, former_threshold), strict=True
        )
        if threshold is not None
    ]
    header = ("", "rule", "threshold", *metrics)
    print_table("Decisions on the held-out set, by threshold", header, rows)


if __name__ == "__main__":
    cli.run(main)

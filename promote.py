"""Decide which model version is served.

    python promote.py     # promote the best new version if it passes the gate
    python promote.py --allow boosted_trees
    python promote.py --to 3 --why "as agreed on Monday"
    python promote.py --rollback
    python promote.py --history

By default, the challenger is the version of the latest training with the lowest cross-validated log
loss. If it takes more than twice as long per row as another version whose log loss is within one
standard error, the best version that does not is used instead. Benchmark models are left out unless
--allow names them.

The challenger is compared with the champion on held-out rows that neither version was trained on.
It is promoted if:

- its log loss is significantly lower than the champion's: the 99% interval of the improvement lies
  above --margin,
- its probabilities are calibrated: the 95% interval of its calibration slope overlaps the range
  that the problem allows, and
- it passes the canary check: for the synthetic rows that are stored with it, it returns the same
  probabilities as at training.

If there is no champion yet, the challenger is compared with the base rate instead. If the held-out
rows are too few to show an improvement, its cross-validation counts, too: the 95% interval of the
improvement on all labeled rows must then lie above --margin.

Then the challenger gets the alias `champion`, and the version that it replaces gets the alias
`previous`. serve.py switches to the new champion; `mlflow models serve` and score_client.py use it
when they are started again. If the challenger is refused, the script prints the reasons and the
commands to choose from, and exits with code 3, or 6 if there is no champion. Every decision is
logged to the MLflow experiment `promotions`.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict

from mlflow import MlflowClient

import cli
import problems
from cli import flags
from cli.terminal import print_table, print_text
from problems import Problem
from registry import aliases, model_files, promotions, store, versions
from registry.store import RegistryError
from training import data_source, promotion, selection
from training.data_source import DataSource
from training.gate import Verdict
from training.promotion import Comparison
from training.selection import Standing


def parser() -> argparse.ArgumentParser:
    parser = flags.argument_parser(__doc__)
    data_source.add_flags(parser)
    allow = "benchmark models (trained for comparison only) that may be promoted, comma-separated"
    flags.add_flag(parser, "--allow", "NAMES", allow)
    challenger = "number of the version to judge (default: the best one of the latest training)"
    flags.add_flag(parser, "--challenger", "N", challenger)
    margin = (
        "improvement in log loss that the lower end of its interval must exceed; a negative "
        "number allows a slightly worse challenger (default: 0)"
    )
    flags.add_flag(parser, "--margin", "N", margin, 0.0, flags.finite_number)
    force = "compare the versions even if one of them was trained on data other than --database or "
    flags.add_yes_no_flag(parser, "--force", f"{force}--table")
    flags.add_flag(parser, "--to", "N", "make this version the champion without a comparison")
    rollback = "make the previous champion (alias `previous`) the champion again"
    flags.add_yes_no_flag(parser, "--rollback", rollback)
    flags.add_yes_no_flag(parser, "--history", "list all decisions, and do nothing else")
    flags.add_flag(parser, "--why", "TEXT", "reason to log for --to or --rollback")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    actions = [flag for flag in ("to", "rollback", "history") if getattr(args, flag)]
    if len(actions) > 1:
        raise cli.UserError(f"Give only one of --{' and --'.join(actions)}.")
    problem = problems.load(args.problem)
    client = store.connect()
    if args.history:
        print_history(client, problem.model_name)
        return 0
    with store.lock_on_this_machine():
        if not actions:
            return judge_challenger(client, problem, args)
        number = args.to or aliases.previous_version_number(client, problem.model_name)
        outcome = promotions.ROLLED_BACK if args.rollback else promotions.MOVED
        move(client, problem, number, outcome, args.why or "no reason given")
    return 0


def judge_challenger(client: MlflowClient, problem: Problem, args: argparse.Namespace) -> int:
    """Judge the challenger, and promote it if it passes the gate; returns the exit code."""
    allowed = {name for name in args.allow.split(",") if name}
    challenger, *others = ranked_candidates(client, problem, args.challenger, allowed)
    number, name = challenger.number, problem.model_name
    champion = aliases.version_number(client, name, aliases.CHAMPION)
    if champion == number:
        print(f"{name}/{number} ({challenger.name}) is already the champion.")
        return 0
    source = DataSource(args.database, args.table, args.label)
    comparison = promotion.prepare_comparison(
        client, problem, source, number, champion, force=args.force
    )
    aliases.set_challenger(client, name, number)
    with promotions.decision_run(name, champion, number):
        verdict = promotion.judge(comparison, args.margin)
        promotion.log_verdict(comparison, verdict)
        print_text(promotion.summarize(comparison, verdict))
        if not verdict.is_promoted:
            promotions.record_outcome(promotions.REFUSED, "; ".join(verdict.refusal_reasons))
            print_next_steps(comparison, verdict, args)
            return cli.EXIT_REFUSED if champion else cli.EXIT_NO_CHAMPION
        reason = promotion.promotion_reason(comparison, verdict)
        promotions.move_champion(client, name, champion, number, promotions.PROMOTED, reason)
    runner_up = next((other.number for other in others if other.number != champion), None)
    aliases.set_challenger(client, name, runner_up)
    print_aliases(client, name)
    print(f"In MLflow: {store.ui_url(versions.page(name, number))}")
    return 0


def print_next_steps(comparison: Comparison, verdict: Verdict, args: argparse.Namespace) -> None:
    """Print the commands to choose from after a refusal, and which version stays the champion."""
    source = DataSource(args.database, args.table, args.label)
    flags = cli.format_flags(problem=args.problem, **asdict(source))
    train, promote = (
        f"{store.command_prefix()}python {name}.py{flags}" for name in ("train", "promote")
    )
    force, challenger = " --force" * args.force, comparison.challenger
    print("\nTo continue, choose one of these commands:")
    print("- load more labeled rows, then train and judge a new challenger:")
    print(f"  {train} && {promote}{force}")
    if not verdict.has_gain and len(verdict.refusal_reasons) == 1:
        margin = math.floor(verdict.gain.low * 1e5 - 1) / 1e5  # just below the interval
        print(f"- lower the margin to {margin:.5f}; below 0, a slightly worse version may pass:")
        print(f"  {promote} --challenger {challenger.number} --margin {margin:.5f}{force}")
    print(f"- make {challenger.model_id} the champion without these checks:")
    print(f'  {promote} --to {challenger.number} --why "replace this by your reason"\n')
    print(comparison.unchanged)


def ranked_candidates(
    client: MlflowClient, problem: Problem, challenger: str, allowed: set[str]
) -> list[Standing]:
    """Rank the versions of the latest training, or the version `challenger` alone.

    Raises:
        RegistryError: `allowed` has an unknown candidate, or there are only benchmark models.
    """
    if challenger:
        registered = [versions.get_version(client, problem.model_name, challenger)]
    else:
        registered = versions.latest_training_versions(client, problem)
    standings = [
        Standing.from_run(str(v.version), versions.find_run(client, v.run_id), v.tags)
        for v in registered
    ]
    names = {standing.name for standing in standings}
    listed = ", ".join(sorted(names))
    if unknown := allowed - names:
        raise RegistryError(
            f"--allow has unknown candidates ({', '.join(sorted(unknown))}): choose from {listed}."
        )
    candidates = [s for s in standings if not s.is_benchmark or s.name in allowed]
    if not candidates:
        raise RegistryError(
            f"Benchmark models are not promoted unless they are allowed: give --allow {listed}."
        )
    return selection.rank(candidates)


def move(client: MlflowClient, problem: Problem, number: str, outcome: str, reason: str) -> None:
    """Make a version the champion without judging it."""
    name = problem.model_name
    version = versions.resolve(client, f"models:/{name}/{number}")
    versions.problem_for_version(version, problem)
    with model_files.checked_copy(version):
        pass  # servers would refuse to load a version that fails this check
    champion = aliases.version_number(client, name, aliases.CHAMPION)
    if champion == version.number:
        print(f"{version.model_id} is already the champion.")
        return
    with promotions.decision_run(name, champion, version.number):
        promotions.move_champion(client, name, champion, version.number, outcome, reason)
    print_aliases(client, name)


def print_aliases(client: MlflowClient, name: str) -> None:
    """Print the version of each alias."""
    for alias in (aliases.CHAMPION, aliases.PREVIOUS, aliases.CHALLENGER):
        if number := aliases.version_number(client, name, alias):
            tags = versions.get_version(client, name, number).tags
            print(f"{alias}: {name}/{number} ({tags.get('candidate', 'unknown')})")


def print_history(client: MlflowClient, name: str) -> None:
    """Print every decision about a model, the newest first."""
    rows = [
        (f"{d.time:%F %T}", d.user, f"{d.from_version} to {d.to_version}", d.outcome, d.reason)
        for d in promotions.history(client, name)
    ]
    title = f"{name}: decisions, newest first ({len(rows)})"
    print_table(title, ("UTC", "user", "champion", "outcome", "reason"), rows)


if __name__ == "__main__":
    cli.run(main)

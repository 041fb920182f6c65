"""Decide which version serves.

    python promote.py                       # the best just trained, if it proves to be better
    python promote.py --allow boosted_trees
    python promote.py --to 3 --why "as agreed on Monday"
    python promote.py --rollback
    python promote.py --history

The challenger is the best of the versions that the latest training registered. On held-out rows
that neither version has seen, it has to beat the champion (the first one: the base rate) in log
loss, surely; to be calibrated; and to answer its canary rows as logged. If so, it becomes
`champion`, and `previous` keeps the one it replaces; otherwise this says what fell short and ends
with 3. Servers and clients that ask for models:/NAME@champion get the new one from then on. Every
decision is a run of the MLflow experiment `promotions`.
"""

import argparse
from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

import cli
import problems
from cli.terminal import print_table
from problems import Problem
from registry import aliases, model_files, promotions, store, versions
from registry.store import RegistryError
from training import contest, data_source, selection
from training.selection import Standing


def parser() -> argparse.ArgumentParser:
    made = cli.argument_parser(__doc__)
    data_source.add_flags(made)
    made.add_argument(
        "--allow",
        default="",
        metavar="NAMES",
        help="candidates that may serve although they are yardsticks, with commas between",
    )
    made.add_argument(
        "--challenger",
        default="",
        metavar="NUMBER",
        help="of the version to judge (default: the best of the latest training)",
    )
    made.add_argument(
        "--margin",
        type=cli.finite_number,
        default=0.0,
        help="by which the log loss must surely be less; below 0, it may be as much more "
        "(default: 0)",
    )
    cli.add_yes_no_flag(made, "--force", "judge although a version was trained on other data")
    made.add_argument("--to", default="", metavar="NUMBER", help="make this version the champion")
    cli.add_yes_no_flag(made, "--rollback", "make the version `previous` the champion again")
    cli.add_yes_no_flag(made, "--history", "only show all decisions")
    made.add_argument("--why", default="", help="the reason to note for --to and --rollback")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    by_hand = [f for f in ("to", "rollback", "history") if getattr(args, f)]
    if len(by_hand) > 1:
        raise cli.UserError(f"Give one of --{' and --'.join(by_hand)}, not both.")
    problem = problems.load(args.problem)
    client = store.connect()
    if by_hand == ["history"]:
        show_history(client, problem)
        return 0
    with store.lock_on_this_machine():
        if by_hand:
            number = args.to
            if args.rollback:
                number = aliases.previous_version_number(client, problem.model_name)
            move(client, problem, number, args)
            return 0
        return decide(client, problem, args)


def decide(client: MlflowClient, problem: Problem, args: argparse.Namespace) -> int:
    """Judge the challenger, and promote it if nothing falls short; returns the exit code."""
    ranked = contenders(client, problem, args)
    number, name = str(ranked[0].version), problem.model_name
    champion = aliases.version_number(client, name, aliases.CHAMPION)
    if champion == number:
        print(f"{name}/{number} ({ranked[0].tags['candidate']}) is the champion already.")
        return 0
    rivals = contest.prepare_comparison(client, problem, number, champion, args)
    aliases.set_challenger(client, name, number)
    with promotions.decision_run(name, champion, number):
        verdict = contest.judge(rivals, args.margin)
        contest.log_verdict(rivals, verdict, args)
        print(contest.summarize(rivals, verdict, args.margin))
        if not verdict.is_promoted:
            promotions.record_outcome(promotions.REFUSED, "; ".join(verdict.refusal_reasons))
            return cli.EXIT_REFUSED
        why = contest.promotion_reason(rivals, verdict, args.margin)
        promotions.move_champion(client, name, champion, number, promotions.PROMOTED, why)
    runner_up = next((str(v.version) for v in ranked[1:] if str(v.version) != champion), None)
    aliases.set_challenger(client, name, runner_up)
    show_aliases(client, name)
    return 0


def contenders(
    client: MlflowClient, problem: Problem, args: argparse.Namespace
) -> list[ModelVersion]:
    """The versions that may serve of the latest training, or the one named, the best first."""
    if args.challenger:
        found = [versions.get_version(client, problem.model_name, args.challenger)]
    else:
        found = versions.latest_training_versions(client, problem)
    allowed = {name for name in args.allow.split(",") if name}
    names = {version.tags.get("candidate", "") for version in found}
    if unknown := allowed - names:
        raise RegistryError(
            f"There is no candidate {', '.join(sorted(unknown))} to allow: there is "
            f"{', '.join(sorted(names))}."
        )
    may_serve = {
        str(version.version): version
        for version in found
        if version.tags.get("yardstick") != "yes" or version.tags["candidate"] in allowed
    }
    if not may_serve:
        raise RegistryError(
            f"None may serve of {', '.join(sorted(names))}, which is to compare with: "
            "name it with --allow."
        )
    standings = [
        Standing(
            number,
            float(version.tags["cv_log_loss"]),
            float(version.tags.get("cv_log_loss_se", 0)),
            float(version.tags.get("single_row_ms", 0)),
        )
        for number, version in may_serve.items()
    ]
    return [may_serve[standing.name] for standing in selection.rank(standings)]


def move(client: MlflowClient, problem: Problem, number: str, args: argparse.Namespace) -> None:
    """Move the alias by hand."""
    name = problem.model_name
    version = versions.resolve(client, f"models:/{name}/{number}")
    versions.problem_for_version(version, problem)
    with model_files.checked_copy(version):
        pass  # what servers would refuse to load is no champion
    champion = aliases.version_number(client, name, aliases.CHAMPION)
    if champion == version.number:
        print(f"{version.model_id} is the champion already.")
        return
    outcome = promotions.ROLLED_BACK if args.rollback else promotions.MOVED
    with promotions.decision_run(name, champion, version.number):
        why = args.why or "no reason given"
        promotions.move_champion(client, name, champion, version.number, outcome, why)
    show_aliases(client, name)


def show_aliases(client: MlflowClient, name: str) -> None:
    """Print where the aliases point now."""
    for alias in (aliases.CHAMPION, aliases.PREVIOUS, aliases.CHALLENGER):
        if number := aliases.version_number(client, name, alias):
            tags = versions.get_version(client, name, number).tags
            print(f"{alias}: {name}/{number} ({tags.get('candidate', 'unknown')})")


def show_history(client: MlflowClient, problem: Problem) -> None:
    """Print every decision about the problem's model, the latest first."""
    rows = [
        (
            f"{e.time:%Y-%m-%d %H:%M:%S}",
            e.user,
            f"{e.from_version} to {e.to_version}",
            e.outcome,
            e.reason,
        )
        for e in promotions.history(client, problem.model_name)
    ]
    header = ("UTC", "who", "champion", "outcome", "why")
    print_table(f"{problem.model_name}: {len(rows)} decisions, the latest first", header, rows)


if __name__ == "__main__":
    cli.run(main)

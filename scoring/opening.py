"""How a scoring run begins: the flags that all scorers share, and the version that it is for."""

import argparse
from collections.abc import Callable, Sequence

import cli
from problems import Problem
from registry import aliases, store, versions

NumberFlag = tuple[
    str, Callable[[str], float], float, str
]  # a flag, its kind, its default, its help


def add_flags(
    to: argparse.ArgumentParser, numbers: Sequence[NumberFlag], max_rejected: str
) -> None:
    """Add a scorer's own numbers, then what all scorers are told."""
    to.add_argument(
        "--model",
        default="",
        metavar="URI",
        help="models:/name@alias or models:/name/number (default: the problem's champion)",
    )
    for flag, kind, default, help in (
        *numbers,
        ("--limit", cli.at_least(0), 0, "most rows to score, 0 for all"),
        ("--max-rejected", cli.fraction, 0.01, max_rejected),
    ):
        to.add_argument(flag, type=kind, default=default, help=f"{help} (default: %(default)s)")
    cli.add_yes_no_flag(to, "--replay", "score again what the version has rejected")
    cli.add_yes_no_flag(to, "--dry-run", "only show what would be scored")


def resolve_version(model: str, problem: Problem) -> tuple[versions.RegisteredVersion, Problem]:
    """The version that `--model` names, and the problem with the columns that it was trained on.

    Raises:
        RegistryError: there is no such version, or it is not of this problem.
    """
    uri = model or aliases.champion_uri(problem.model_name)
    version = versions.resolve(store.connect(), uri)
    return version, versions.problem_for_version(version, problem)

"""Choose which version serves.

    python promote.py

Of the versions that the latest training registered, the best by cross-validated log loss becomes
`champion` and the next one `challenger`; `previous` keeps the champion that was replaced. One that
is as good, within a standard error, goes before the best if it answers a row in less than half the
time. Clients and servers that ask for models:/NAME@champion get the new one from then on.
"""

import argparse
from collections.abc import Sequence

import console
import problems
from modeling import choice
from modeling.choice import Standing
from registry import store, versions


def parser() -> argparse.ArgumentParser:
    return console.parser(__doc__, database=False)


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    client = store.connect()
    trained = {str(v.version): v for v in versions.latest_training(client, problem)}
    standings = [
        Standing(
            number,
            float(version.tags["cv_log_loss"]),
            float(version.tags.get("cv_log_loss_se", 0)),
            float(version.tags.get("single_row_ms", 0)),
        )
        for number, version in trained.items()
    ]
    ranked = [trained[standing.name] for standing in choice.ranked(standings)]
    before = versions.move_champion(client, problem.model_name, str(ranked[0].version))
    for runner_up in ranked[1:2]:
        with store.explained():
            client.set_registered_model_alias(
                problem.model_name, versions.CHALLENGER, runner_up.version
            )
    for alias, version in zip((versions.CHAMPION, versions.CHALLENGER), ranked, strict=False):
        print(
            f"{alias}: {problem.model_name}/{version.version} ({version.tags['candidate']}), "
            f"cross-validated log loss {version.tags['cv_log_loss']}, "
            f"{version.tags.get('single_row_ms', 'unknown')} ms a row"
        )
    if before and before != str(ranked[0].version):
        print(f"{versions.PREVIOUS}: {problem.model_name}/{before}")
    return 0


if __name__ == "__main__":
    console.run(main)

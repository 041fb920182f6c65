"""Choose which version serves.

    python promote.py

Of the versions that the latest training registered, the best by cross-validated log loss becomes
`champion` and the next one `challenger`; `previous` keeps the champion that was replaced. Clients
and servers that ask for models:/NAME@champion get the new one from then on.
"""

import argparse
from collections.abc import Sequence

import console
import problems
from registry import store, versions


def parser() -> argparse.ArgumentParser:
    return console.parser(__doc__, database=False)


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    client = store.connect()
    ranked = sorted(
        versions.latest_training(client, problem), key=lambda v: float(v.tags["cv_log_loss"])
    )
    before = versions.move_champion(client, problem.model_name, str(ranked[0].version))
    for runner_up in ranked[1:2]:
        with store.explained():
            client.set_registered_model_alias(
                problem.model_name, versions.CHALLENGER, runner_up.version
            )
    for alias, version in zip((versions.CHAMPION, versions.CHALLENGER), ranked, strict=False):
        print(
            f"{alias}: {problem.model_name}/{version.version} ({version.tags['candidate']}), "
            f"cross-validated log loss {version.tags['cv_log_loss']}"
        )
    if before and before != str(ranked[0].version):
        print(f"{versions.PREVIOUS}: {problem.model_name}/{before}")
    return 0


if __name__ == "__main__":
    console.run(main)

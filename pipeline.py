"""The whole way in one go: ingest, train, promote, serve the champion, score every row, sum up.

    python pipeline.py                                     # on the sample; `make run` calls this
    python pipeline.py --source ../data/even --database full.db

Each step is the script or the mlflow command that you can run alone. The server listens on a free
port of this machine, and is stopped at the end.
"""

import argparse
import contextlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine, func, select

import cli
import problems
from cli.terminal import print_table
from db import results
from db.engine import database_url, open_database
from db.tables import rejected_rows, scoring_runs
from registry import aliases, model_files, store, versions
from scoring.local_server import serve_model

HERE = Path(__file__).parent
STOP_SECONDS = 20
SHOWN = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy")


class StepFailed(cli.UserError):
    """A step ended with an error, which it has printed itself."""

    def __init__(self, step: str, code: int) -> None:
        super().__init__(f"{step} failed, as told above.")
        self.exit_code = code


class NothingToServe(cli.UserError):
    """The first version was refused."""

    exit_code = cli.EXIT_REFUSED

    def __init__(self) -> None:
        super().__init__(
            "No version may serve yet, for the reason told above: load more rows, or judge with "
            "`python promote.py --margin -0.01`."
        )


def parser() -> argparse.ArgumentParser:
    made = cli.argument_parser(__doc__)
    made.add_argument("--source", default="", metavar="DIR", help="(default: the sample)")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    where = ["--problem", args.problem, "--database", args.database]
    step("ingest.py", *where, "--source", args.source)
    step("train.py", *where)
    # --force: a champion of another database may know these rows, which helps none but itself
    refused = step("promote.py", *where, "--force", passing=(cli.EXIT_REFUSED,))
    if refused and not aliases.version_number(
        store.connect(), problem.model_name, aliases.CHAMPION
    ):
        raise NothingToServe
    uri = aliases.champion_uri(problem.model_name)
    print(f"\n== mlflow models serve -m {uri} --env-manager local", flush=True)
    champion = versions.resolve(store.connect(), uri)
    # the copy: MLflow cannot load a model from a folder whose path has a `?`, a `#` or a `%`
    with model_files.checked_copy(champion) as model, serve_model(str(model)) as endpoint:
        print(f"served at {endpoint}")
        step("score_client.py", *where, "--endpoint", endpoint)
    with open_database(database_url(args.database)) as engine, store.translate_mlflow_errors():
        summary(engine, problem)
    next_steps(uri, args)
    return 0


def step(script: str, *flags: str, passing: Sequence[int] = ()) -> int:
    """Run a script of ours to its end, which 0 and the codes `passing` are; returns its code."""
    print(f"\n== {script}", flush=True)
    process = subprocess.Popen([sys.executable, str(HERE / script), *flags])
    try:
        code = process.wait()
    except BaseException as stopped:
        if not isinstance(stopped, KeyboardInterrupt):  # which the terminal has sent it already
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)  # to clean up behind itself
        process.kill()
        raise
    if code and code not in passing:
        raise StepFailed(script, code if code > 0 else 128 - code)
    return code


def summary(engine: Engine, problem: problems.Problem) -> None:
    """Print what is loaded, how each candidate did, and how the champion stands on the table."""
    client = store.connect()
    champion = versions.resolve(client, aliases.champion_uri(problem.model_name))
    trained = versions.latest_training_versions(client, problem)
    metrics = {v.version: client.get_run(str(v.run_id)).data.metrics for v in trained}
    base = client.get_run(trained[0].tags["training_run"]).data.metrics
    print_table(
        "Candidates on held-out rows",
        ("", *(f"{v.tags['candidate']}\n({v.version})" for v in trained), "base rate"),
        [
            (
                name.replace("_", " "),  # so that a line may end there
                *(metrics[v.version][f"test_{name}"] for v in trained),
                base[f"base_rate_{name}"],
            )
            for name in SHOWN
        ],
    )
    counts = results.reconcile(engine, problem.scoring, champion.model_id)
    with engine.connect() as connection:
        loaded = {
            source.table.name: connection.scalar(select(func.count()).select_from(source.table))
            for source in problem.sources
        }
        rejected = connection.scalar(
            select(func.count())
            .select_from(rejected_rows)
            .where(rejected_rows.c.problem == problem.name)
        )
        run = connection.execute(
            select(scoring_runs)
            .where(scoring_runs.c.model_id == champion.model_id)
            .order_by(scoring_runs.c.id.desc())
        ).first()
    rows: list[tuple[str, object]] = [(f"{name} loaded", n) for name, n in loaded.items()]
    rows += [
        ("rows rejected by ingest", rejected),
        ("champion", champion.model_id),
        ("rows scored", counts.scored),
        ("rows rejected by the champion", counts.rejected),
        ("rows pending", counts.pending),
    ]
    if run is not None and run.stored:
        seconds = (run.finished_at - run.started_at).total_seconds()
        rows.append(("rows scored a second", round(run.stored / seconds)))
    print_table(
        f"{problem.name} in {engine.url.render_as_string(hide_password=True)}", ("", ""), rows
    )


def next_steps(uri: str, args: argparse.Namespace) -> None:
    """Print the commands to go on with."""
    flags = "".join(
        f" --{name} {shlex.quote(value)}"
        for name, value in (("problem", args.problem), ("database", args.database))
        if value
    )
    activate = Path(sys.executable).parent / "activate"
    print("To go on:")
    if activate.exists() and activate.is_relative_to(Path.cwd()):
        print(f"source {activate.relative_to(Path.cwd())}")
    print("mlflow ui     # compare the runs at http://127.0.0.1:5000")
    print(f"mlflow models serve -m {uri} --env-manager local -p 5001")
    print(f"python score_client.py{flags}")


if __name__ == "__main__":
    cli.run(main)

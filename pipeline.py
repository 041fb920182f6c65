"""Run every step: ingest, train, promote, serve the champion, score every row, and print a summary.

    python pipeline.py         # use the sample, as `make run` does
    python pipeline.py --source path/to/folder --database full.db

Each step is a script or an mlflow command that you can also run by itself. promote.py is run with
--force, which skips its check that both versions were trained on this database. The model is served
on a free port of this machine, and the server is stopped at the end.
"""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine

import cli
import problems
from cli import flags
from cli.terminal import print_table
from db import results, runs
from db.engine import database_url, open_database
from metrics import catalog
from registry import aliases, model_files, store, versions
from registry.versions import RegisteredVersion
from scoring.local_server import serve_model

HERE = Path(__file__).parent
STOP_SECONDS = 20


def parser() -> argparse.ArgumentParser:
    parser = flags.argument_parser(__doc__)
    flags.add_source_flag(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    flags = ["--problem", args.problem, "--database", args.database]
    run_step("ingest.py", *flags, "--source", args.source)
    run_step("train.py", *flags)
    # --force: a champion of another database may have been trained on the rows held out here, but
    # that only makes it harder to beat
    run_step("promote.py", *flags, "--force", allowed_codes=(cli.EXIT_REFUSED,))
    client = store.connect()
    uri = aliases.champion_uri(problem.model_name)
    print(f"\n== mlflow models serve -m {uri} --env-manager local", flush=True)
    champion = versions.resolve(client, uri)
    # served from a copy: MLflow cannot load a model from a path with a `?`, a `#` or a `%`
    with model_files.checked_copy(champion) as model, serve_model(str(model)) as endpoint:
        print(f"served at {endpoint}")
        run_step("score_client.py", *flags, "--endpoint", endpoint)
    with open_database(database_url(args.database)) as engine, store.translate_mlflow_errors():
        print_summary(engine, problem)
    print_next_steps(champion, cli.format_flags(problem=args.problem, database=args.database))
    return 0


def run_step(script: str, *flags: str, allowed_codes: Sequence[int] = ()) -> None:
    """Run a script; raises UserError if its exit code is neither 0 nor allowed."""
    print(f"\n== {script}", flush=True)
    process = subprocess.Popen([sys.executable, str(HERE / script), *flags])
    try:
        code = process.wait()
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):  # the terminal sends that to both processes
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)  # for its cleanup
        process.kill()
        raise
    if code and code not in allowed_codes:
        exit_code = code if code > 0 else 128 - code
        raise cli.UserError(f"{script} failed (see its output above).", exit_code=exit_code)


def print_summary(engine: Engine, problem: problems.Problem) -> None:
    """Print how each candidate performs, what is loaded, and what the champion has scored."""
    client = store.connect()
    champion = versions.resolve(client, aliases.champion_uri(problem.model_name))
    trained = versions.latest_training_versions(client, problem)
    metrics = [versions.all_metrics(version) for version in trained]
    print_table(
        "Candidates on the held-out set",
        ("", *(f"{v.tags['candidate']}\n({v.version})" for v in trained), "base rate"),
        [
            (
                metric.title,
                *(values[metric.logged_name] for values in metrics),
                metrics[0][f"base_rate_{metric.name}"],
            )
            for metric in catalog.shown_in(catalog.PIPELINE)
        ],
    )
    tables = [source.table for source in problem.sources]
    loaded, rejected, rate = runs.summarize_tables(engine, tables, problem.name, champion.model_id)
    counts = results.reconcile(engine, problem.scoring, champion.model_id)
    rows: list[tuple[str, object]] = [
        *((f"{name} loaded", count) for name, count in loaded.items()),
        ("rows rejected by ingest", rejected),
        ("champion", champion.model_id),
        ("rows scored", counts.scored),
        ("rows rejected by the champion", counts.rejected),
        ("rows pending", counts.pending),
        *([("rows scored per second", round(rate))] if rate else []),
    ]
    title = f"{problem.name} in {engine.url.render_as_string(hide_password=True)}"
    print_table(title, ("", ""), rows)


def print_next_steps(champion: RegisteredVersion, flags: str) -> None:
    """Print commands to continue with, and the pages of MLflow to look at."""
    client, alias_uri = store.connect(), aliases.champion_uri(champion.name)
    version = versions.get_version(client, champion.name, champion.number)
    activate = Path(sys.executable).parent / "activate"
    print("To continue:")
    if activate.exists() and activate.is_relative_to(Path.cwd()):
        print(f"source {activate.relative_to(Path.cwd())}")
    print("mlflow ui     # then open these pages of the training and of the champion:")
    if training := versions.training_run(client, version):
        print(f"              # {store.ui_url(store.run_page(training))}")
    print(f"              # {store.ui_url(versions.page(champion.name, champion.number))}")
    print(f"mlflow models serve -m {alias_uri} --env-manager local -p 5001")
    print(f"python score_client.py{flags}")


if __name__ == "__main__":
    cli.run(main)

"""Load a folder of source files into the database.

    python ingest.py                                     # the sample, into even_financial.db
    python ingest.py --source ../data/even --database full.db

All or nothing: after an error the database is as it was. Loading the same files again changes
nothing; changed and new rows update and add, and a changed row loses its scores, so that it is
scored again. Bad rows are set aside in the table rejected_rows with their reason and values.
A database remembers its sources, and takes rows from another one only with --add.

    python ingest.py --results scores                    # what score_spark.py wrote there

brings its results into the tables of results, each row once, however often it is done.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import cli
import problems
from cli.terminal import print_table, progress
from db.engine import database_url, open_database
from db.loading import load_files
from db.readers import open_sources
from db.schema import require_tables
from db.staging import FileReport, LoadRequest
from spark import results_folder


def parser() -> argparse.ArgumentParser:
    made = cli.argument_parser(__doc__)
    made.add_argument(
        "--source", default="", metavar="DIR", help="folder of the files (default: the sample)"
    )
    made.add_argument(
        "--max-rejected",
        type=cli.fraction,
        default=0.01,
        metavar="SHARE",
        help="bad rows allowed in a file, as a share of its rows (default: %(default)s)",
    )
    made.add_argument(
        "--results", default="", metavar="DIR", help="bring in results of score_spark.py instead"
    )
    cli.add_yes_no_flag(made, "--add", "load a further source into a database that has one")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    if args.results:
        return bring_results(problem, args)
    if not (given := args.source or problem.sample_folder):
        raise cli.UserError(f"{problem.name} has no sample: give a folder with --source.")
    folder = Path(os.path.realpath(given))
    files = open_sources(folder, problem.sources)
    url = database_url(args.database)
    scoring = problem.with_optional_columns(
        problem.optional_columns
    ).scoring  # a change of any feature counts
    what = LoadRequest(problem.name, scoring, str(folder), args.add, args.max_rejected)
    with (
        open_database(url, create=True, enforce_references=False) as engine,
        progress("ingest", sum(file.row_count for file in files)) as bar,
    ):
        reports = load_files(engine, what, files, bar.advance)
    report(f"{folder} -> {url.render_as_string(hide_password=True)}", reports)
    return 0


def bring_results(problem: problems.Problem, args: argparse.Namespace) -> int:
    """Bring in what score_spark.py wrote, and say what became of it."""
    if args.source or args.add:
        raise cli.UserError("Rows and results go in one by one: give --source, or --results.")
    folder, url = Path(os.path.realpath(args.results)), database_url(args.database)
    found = results_folder.find_versions(folder, problem.scoring)
    with open_database(url) as engine:
        require_tables(engine, problem.metadata)
        with progress("ingest", sum(version.rows for version in found)) as bar:
            brought = [
                results_folder.import_version(engine, problem.scoring, folder, version, bar.advance)
                for version in found
            ]
    header = ("version", "results", "added", "known", "of rows that are others now")
    rows = [(b.model_id, b.rows, b.added, b.already_stored, b.outdated) for b in brought]
    print_table(f"{folder} -> {url.render_as_string(hide_password=True)}", header, rows)
    return 0


def report(title: str, reports: Sequence[FileReport]) -> None:
    header = ("file", "rows", "added", "updated", "unchanged", "rejected")
    rows = [(r.file, r.rows, r.added, r.updated, r.unchanged, r.rejected.total()) for r in reports]
    print_table(title, header, rows)
    for r in reports:
        for reason, rows_of_it in r.rejected.most_common():
            print(f"{r.file}: {rows_of_it:,} rejected: {reason}")
    if dropped := sum(r.results_dropped for r in reports):
        print(f"{dropped:,} scores of changed rows dropped: they will be scored again")


if __name__ == "__main__":
    cli.run(main)

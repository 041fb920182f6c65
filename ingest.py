"""Load source files into the database.

    python ingest.py       # load the sample data into even_financial.db
    python ingest.py --source path/to/folder --database full.db

A load is atomic: after an error, the database is unchanged. New rows are added
and changed rows are updated. If the features of a row changed, its results are
deleted, and the row will be scored again. Loading the same files twice changes
nothing. Invalid rows are rejected: they are written to the table rejected_rows,
with their values and the reason. A load from a folder other than those loaded
before is refused unless --add is given.

    python ingest.py --results scores

With --results, the script imports the results that score_spark.py wrote to a
folder. It skips results that are already stored, and results of rows that have
changed since they were scored.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL

import cli
import problems
from cli import flags
from cli.terminal import print_table, progress
from db.engine import database_url, open_database
from db.loading import load_files
from db.readers import open_sources
from db.schema import require_tables
from db.staging import FileReport, LoadRequest
from spark.results_folder import ImportCounts, find_versions, import_version


def parser() -> argparse.ArgumentParser:
    parser = flags.argument_parser(__doc__)
    flags.add_source_flag(parser)
    rejected = "fail if more than this fraction of a file's rows is rejected"
    flags.add_flag(parser, "--max-rejected", "FRACTION", rejected, 0.01, flags.fraction)
    results = "import results from this folder, written by score_spark.py, instead of source files"
    flags.add_flag(parser, "--results", "DIR", results)
    add = "allow a load from a folder other than those loaded before"
    flags.add_yes_no_flag(parser, "--add", add)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    problem = problems.load(args.problem)
    if args.results and (args.source or args.add):
        raise cli.UserError("Rows and results are loaded separately: give --source or --results.")
    if not (path := args.results or args.source or problem.sample_folder):
        raise cli.UserError(f"{problem.name} has no sample: give a folder with --source.")
    folder, url = Path(os.path.realpath(path)), database_url(args.database)
    title = f"{folder} -> {url.render_as_string(hide_password=True)}"
    if args.results:
        header = ("version", "results", "added", "already stored", "row has changed")
        counts = import_results(problem, folder, url)
        rows = [(c.model_id, c.rows, c.added, c.already_stored, c.outdated) for c in counts]
        print_table(title, header, rows)
    else:
        print_reports(title, load_source(problem, folder, url, args.add, args.max_rejected))
    return 0


def load_source(
    problem: problems.Problem, folder: Path, url: URL, add: bool, max_rejected: float
) -> list[FileReport]:
    """Load the files of a source folder."""
    files = open_sources(folder, problem.sources)
    # a row that changes in an optional column loses its results, too
    scoring = problem.with_optional_columns(problem.optional_columns).scoring
    request = LoadRequest(problem.name, scoring, str(folder), add, max_rejected)
    with (
        open_database(url, create=True, enforce_references=False) as engine,
        progress("ingest", sum(file.row_count for file in files)) as bar,
    ):
        return load_files(engine, request, files, bar.advance)


def import_results(problem: problems.Problem, folder: Path, url: URL) -> list[ImportCounts]:
    """Import the results that score_spark.py wrote to a folder."""
    versions = find_versions(folder, problem.scoring)
    with open_database(url) as engine:
        require_tables(engine, problem.metadata)
        with progress("ingest", sum(version.rows for version in versions)) as bar:
            return [
                import_version(engine, problem.scoring, folder, version, bar.advance)
                for version in versions
            ]


def print_reports(title: str, reports: Sequence[FileReport]) -> None:
    header = ("file", "rows", "added", "updated", "unchanged", "rejected")
    rows = [(r.file, r.rows, r.added, r.updated, r.unchanged, r.rejected.total()) for r in reports]
    print_table(title, header, rows)
    for r in reports:
        for reason, count in r.rejected.most_common():
            print(f"{r.file}: {count:,} rejected: {reason}")
    if dropped := sum(r.results_dropped for r in reports):
        print(f"Deleted {dropped:,} results of changed rows, which will be scored again.")


if __name__ == "__main__":
    cli.run(main)

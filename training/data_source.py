"""Where labelled rows come from: the database, or one flat file."""

import argparse
import shlex
from pathlib import Path

from cli import UserError
from db.engine import database_url, open_database
from db.schema import require_tables
from problems import Problem
from training import dataset, flat_file
from training.dataset import Dataset


def add_flags(to: argparse.ArgumentParser) -> None:
    """Add the flags that `read` goes by; `--database` is there already."""
    to.add_argument(
        "--table",
        default="",
        metavar="FILE",
        help="a Parquet or CSV file of feature columns and label, in place of the database",
    )
    to.add_argument("--label", default="", help="the label's column in --table: 0 or 1")


def flags(args: argparse.Namespace) -> str:
    """The flags that make another script read the same rows, with a blank before each."""
    given = {name: getattr(args, name) for name in ("problem", "database", "table", "label")}
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in given.items() if value)


def read(args: argparse.Namespace, problem: Problem) -> Dataset:
    """All labelled rows of a problem.

    Raises:
        UserError: there are none that can be used; says why.
    """
    if bool(args.table) != bool(args.label):
        raise UserError("Give --table and --label together: the file, and its label's column.")
    if args.table:
        return flat_file.read(Path(args.table), args.label, problem)
    with open_database(database_url(args.database)) as engine:
        require_tables(engine, problem.metadata)
        return dataset.read(engine, problem)

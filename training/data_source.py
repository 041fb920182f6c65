"""The source of labeled rows: the database, or one flat file."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from cli import UserError, flags
from db.engine import database_url, open_database
from db.schema import require_tables
from problems import Problem
from training import dataset, flat_file
from training.dataset import Dataset


@dataclass(frozen=True)
class DataSource:
    """The values of the flags that select the labeled rows."""

    database: str
    table: str
    label: str

    def read(self, problem: Problem) -> Dataset:
        """Read all labeled rows of a problem.

        Raises:
            UserError: the flags do not agree, or the rows cannot be read or used.
        """
        if bool(self.table) != bool(self.label):
            raise UserError("Give --table and --label together: a file and its label column.")
        if self.table:
            return flat_file.read(Path(self.table), self.label, problem)
        with open_database(database_url(self.database)) as engine:
            require_tables(engine, problem.metadata)
            return dataset.read(engine, problem)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--table` and `--label`; every parser has `--database` already."""
    table = (
        "read the labeled rows from this Parquet or CSV file instead of the database; the file "
        "must contain the feature columns and the label column"
    )
    flags.add_flag(parser, "--table", "FILE", table)
    label = "name of the label column in the --table file (values 0 and 1); required with --table"
    flags.add_flag(parser, "--label", "NAME", label)

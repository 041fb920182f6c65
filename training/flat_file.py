"""One flat file of feature columns and label, a user's own export, in place of a database."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import BigInteger, Column, Double, MetaData, String

from cli import UserError
from cli.terminal import print_message
from db.readers import READ_ERRORS, READERS, SourceFile, open_sources
from db.table_specs import Source, content_key, source_table
from problems import Problem
from registry.versions import TrainingSnapshot
from training import dataset
from training.dataset import Dataset

MAX_REJECTED = 0.01  # of a file's rows: with more it is not the file that was meant
KEY = "content"  # of a row; rows of the same content are never on both sides of a split


class FlatFileError(UserError):
    """The file cannot be trained on."""


def read(path: Path, label: str, problem: Problem) -> Dataset:
    """Read a Parquet or CSV file with a column for each feature, and the label (0 or 1).

    Rows are held out by the problem's group where the file has that column, else by the hash of
    their features.

    Raises:
        TableError, SourceError, DataError: it is no such file; says what is wrong with it.
    """
    if not path.is_file() or not path.name.endswith(tuple(READERS)):
        raise FlatFileError(f"There is no file {path} that ends in {', '.join(READERS)}.")
    if label in problem.feature_names:
        raise FlatFileError(f"The label {label!r} is one of the features: give another --label.")
    rows = _rows(_opened(path, label, problem))
    for name in {*problem.texts, problem.group_name} & set(rows.column_names):
        at = rows.column_names.index(name)
        rows = rows.set_column(at, name, rows[name].cast(pa.string()))
    raw = rows.to_pandas().rename(columns={label: "label"})
    by = problem.group_name if problem.group_name in raw else KEY
    raw[problem.group_name] = raw[by]
    raw = raw[list(dict.fromkeys([problem.group_name, *problem.feature_names, "label"]))]
    if by != problem.group_name:  # no row of a lead is known to be another's rival
        problem = replace(problem, ranking_baseline="")
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()[:16]
    dates = f"file of {pd.Timestamp(path.stat().st_mtime, unit='s'):%Y-%m-%d}"
    trained_on = TrainingSnapshot(f"file {digest}, label {label}, held out by {by}", 0)
    source = f"{path.resolve()}, label {label}"
    return dataset.hold_out(problem, raw, source, trained_on, dates, by)


def _opened(path: Path, label: str, problem: Problem) -> SourceFile:
    codes = _whole_numbers(path)  # which text and groups may be kept as
    types = {"number": Double, "text": String}
    given: list[Column[Any]] = [
        Column(f.name, BigInteger if f.kind == "text" and f.name in codes else types[f.kind])
        for f in problem.features
    ]
    if (group := problem.group_name) not in {*problem.feature_names, KEY, label}:
        kind = BigInteger if group in codes else String
        given.append(Column(group, kind, info={"optional": True}))
    outcome = Column(label, BigInteger, nullable=False, info={"minimum": 0, "maximum": 1})
    key = content_key(KEY, columns=problem.feature_names)
    try:
        table = source_table("flat_file", MetaData(), key, *given, outcome)
    except ValueError as error:
        raise FlatFileError(f"{path.name} cannot be read so: {error}.") from error
    return open_sources(path, [Source(table, path.name.removesuffix(_ending(path)))])[0]


def _whole_numbers(path: Path) -> set[str]:
    """The columns that a Parquet file keeps as whole numbers."""
    try:
        schema = READERS[_ending(path)](path).schema
    except READ_ERRORS:  # which opening it for good will tell
        return set()
    return {field.name for field in schema if pa.types.is_integer(field.type)}


def _ending(path: Path) -> str:
    return next(ending for ending in READERS if path.name.endswith(ending))


def _rows(file: SourceFile) -> pa.Table:
    """The good rows; bad ones are told of, and few.

    Raises:
        TableError: they are too many.
    """
    tables, rejected = [], []
    for good, bad in file.batches():
        tables.append(good)
        rejected += bad
    if rejected:
        reasons = ", ".join(f"{r.reason} (row {r.row_number:,})" for r in rejected[:3])
        told = (
            f"{len(rejected):,} of {file.row_count:,} rows of {file.name} cannot be used: {reasons}"
        )
        if len(rejected) > MAX_REJECTED * file.row_count:
            raise FlatFileError(f"{told}: that is more than {MAX_REJECTED:.0%}; mend the file.")
        print_message(f"{told}; they are left out.")
    return pa.concat_tables(tables)

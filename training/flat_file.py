"""Read training rows from one flat file of feature columns and a label, without a database."""

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

MAX_REJECTED = 0.01  # share of the rows; more suggest that the wrong file was given
KEY = "content"  # the group key of a file without groups: a hash of the features


class FlatFileError(UserError):
    """The file cannot be used for training."""


def read(path: Path, label: str, problem: Problem) -> Dataset:
    """Read a Parquet or CSV file with a column for each feature and a label of 0 or 1.

    Rows are held out by the problem's group if the file has that column, otherwise by a hash of
    their features.

    Raises:
        FlatFileError, SourceError, DataError: the file cannot be used.
    """
    if not path.is_file() or not path.name.endswith(tuple(READERS)):
        raise FlatFileError(f"There is no file {path} that ends with {', '.join(READERS)}.")
    if label in problem.feature_names:
        raise FlatFileError(f"The label {label!r} is a feature: give another --label.")
    rows = _valid_rows(_open(path, label, problem))
    for name in {*problem.texts, problem.group_name} & set(rows.column_names):
        rows = rows.drop_columns(name).append_column(name, rows[name].cast(pa.string()))
    raw = rows.to_pandas().rename(columns={label: "label"})
    group_column = problem.group_name if problem.group_name in raw else KEY
    raw[problem.group_name] = raw[group_column]
    raw = raw[list(dict.fromkeys([problem.group_name, *problem.feature_names, "label"]))]
    if group_column != problem.group_name:  # unknown which rows compete with each other
        problem = replace(problem, ranking_baseline="")
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()[:16]
    date_ranges = f"file of {pd.Timestamp(path.stat().st_mtime, unit='s'):%Y-%m-%d}"
    trained_on = TrainingSnapshot(f"file {digest}, label {label}, held out by {group_column}", 0)
    source = f"{path.resolve()}, label {label}"
    return dataset.hold_out(problem, raw, source, trained_on, date_ranges, group_column)


def _open(path: Path, label: str, problem: Problem) -> SourceFile:
    integers = _integer_columns(path)  # codes, such as ids, are texts to the model
    types = {"number": Double, "text": String}
    columns: list[Column[Any]] = [
        Column(f.name, BigInteger if f.kind == "text" and f.name in integers else types[f.kind])
        for f in problem.features
    ]
    if (group := problem.group_name) not in {*problem.feature_names, KEY, label}:
        kind = BigInteger if group in integers else String
        columns.append(Column(group, kind, info={"optional": True}))
    outcome = Column(label, BigInteger, nullable=False, info={"minimum": 0, "maximum": 1})
    key = content_key(KEY, columns=problem.feature_names)
    try:
        table = source_table("flat_file", MetaData(), key, *columns, outcome)
    except ValueError as error:
        raise FlatFileError(f"{path.name} cannot be read with these columns: {error}.") from error
    return open_sources(path, [Source(table, path.name.removesuffix(_extension(path)))])[0]


def _integer_columns(path: Path) -> set[str]:
    try:
        schema = READERS[_extension(path)](path).schema
    except READ_ERRORS:  # `open_sources` reports them
        return set()
    return {field.name for field in schema if pa.types.is_integer(field.type)}


def _extension(path: Path) -> str:
    return next(extension for extension in READERS if path.name.endswith(extension))


def _valid_rows(file: SourceFile) -> pa.Table:
    """The valid rows of a file; a message reports the rejected ones.

    Raises:
        FlatFileError: too many rows are rejected.
    """
    tables, rejected = [], []
    for valid_rows, rejected_rows in file.batches():
        tables.append(valid_rows)
        rejected += rejected_rows
    if rejected:
        reasons = ", ".join(f"{r.reason} (row {r.row_number:,})" for r in rejected[:3])
        share = f"{len(rejected):,} of {file.row_count:,} rows of {file.name} were rejected"
        if len(rejected) > MAX_REJECTED * file.row_count:
            raise FlatFileError(f"{share}, more than {MAX_REJECTED:.0%}: {reasons}.")
        print_message(f"{share} and are not used: {reasons}.")
    return pa.concat_tables(tables)

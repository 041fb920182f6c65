"""Declare the tables of a problem: its sources, what is scored, and where results go."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.types import TypeEngine

from db.tables import IdType, common_metadata, loads, model_versions, scoring_runs

HASH_LENGTH = 32  # hexadecimal digits of a content key
TYPE_DESCRIPTIONS: dict[type[TypeEngine[Any]], str] = {  # the types that a source column may have
    sa.Double: "a number",
    sa.BigInteger: "a whole number",
    sa.String: "text",
    sa.DateTime: "a timestamp",
}
INFO_KEYS = {"minimum", "maximum", "optional", "content_of"}  # the keys that `info` may have
ROW_NUMBER = "row_number"  # a column that the readers add: the row's number in the file, from 1
RESERVED_COLUMNS = ("load_id", ROW_NUMBER)  # columns that we add to those of a source
# columns that every results table has
OWN_COLUMNS = ("id", "model_id", "process_time", "reason", "trained_on", "source", "scoring_run_id")


@dataclass(frozen=True)
class Source:
    """A table, and the name (without extension) of the file that fills it.

    The table defines the checks: a primary key is neither null nor repeated, foreign keys exist,
    numbers are finite and within a column's `info={"minimum": …, "maximum": …}`. A column with
    `info={"optional": True}` may be missing from the file.
    """

    table: sa.Table
    file: str

    @property
    def columns(self) -> list[sa.Column[Any]]:
        """The columns that a file may contain: all but those that we add."""
        added = ("load_id", "" if self.content_key is None else self.content_key.name)
        return [column for column in self.table.columns if column.name not in added]

    @property
    def content_key(self) -> sa.Column[Any] | None:
        """The table's primary key, if it is a hash of the row's content."""
        keys = self.table.primary_key.columns
        return next((key for key in keys if "content_of" in key.info), None)


@dataclass(frozen=True)
class ResultTables:
    """The tables that store the results of a problem, and the names of their columns."""

    table: sa.Table
    rejected_table: sa.Table
    key_column: str
    value_columns: Mapping[str, str]  # feature -> the column that stores its scored value
    outcome_column: str
    probability_column: str


@dataclass(frozen=True)
class ScoringSpec:
    """What is scored: a select with one row per key, and the tables for the results.

    `has_label` selects the rows whose outcome is known; without it, all rows have one.
    """

    rows: sa.Select[Any]
    key: sa.Column[Any]
    results: ResultTables
    has_label: sa.ColumnElement[bool] | None = None

    @cached_property
    def tables(self) -> list[sa.Table]:
        """The source tables that a scored row is joined from."""
        tables = (t for t in self.key.table.metadata.sorted_tables if "load_id" in t.c)
        froms = self.rows.get_final_froms()
        return [t for t in tables if any(f.is_derived_from(t) for f in froms)]

    @property
    def columns(self) -> set[sa.Column[Any]]:
        """The source columns that the select uses, whether for output, joins or conditions."""
        parts = visitors.iterate(self.rows)
        return {part for part in parts if isinstance(part, sa.Column) and part.table in self.tables}


def describe_type(column: sa.Column[Any]) -> str:
    """Describe what a source column must contain, such as "a number"."""
    return next(text for type_, text in TYPE_DESCRIPTIONS.items() if isinstance(column.type, type_))


def repeated_key_reason(table: sa.Table) -> str:
    """Return the reason to reject a row whose key occurs earlier in its source."""
    return f"{' and '.join(column.name for column in table.primary_key)} is repeated"


def referenced_columns(table: sa.Table) -> dict[sa.Column[Any], sa.Column[Any]]:
    """Map each foreign key column of a source table to the column that it references."""
    keys = {column: key.column for column in table.columns for key in column.foreign_keys}
    return {column: key for column, key in keys.items() if column.name not in RESERVED_COLUMNS}


def missing_reference_reason(column: sa.Column[Any], referenced: sa.Column[Any]) -> str:
    """Return the reason to reject a row whose foreign key does not exist."""
    return f"{column.name} is not in {referenced.table.name}"


def content_key(name: str, *, columns: Sequence[str]) -> sa.Column[Any]:
    """Define a primary key for files without one: a hash of the values of these columns.

    If several rows have equal values, the second one gets the hash followed by `-2`, and so on.
    Leave out columns that become known later, such as the label: a new hash means a new row.
    """
    return sa.Column(name, sa.String, primary_key=True, info={"content_of": tuple(columns)})


def source_table(name: str, metadata: sa.MetaData, *columns: sa.Column[Any]) -> sa.Table:
    """Define a source table; the added column `load_id` names the load that last wrote a row.

    Raises:
        ValueError: the definition is invalid.
    """
    load_id: sa.Column[Any] = sa.Column("load_id", sa.ForeignKey(loads.c.id), nullable=False)
    table = sa.Table(name, metadata, *columns, load_id)
    if name in common_metadata.tables:
        raise ValueError(f"the table name {name} is reserved")
    if not table.primary_key.columns:
        raise ValueError(f"table {name} has no primary key: declare one, or a content_key")
    for error in (error for column in columns for error in _column_errors(table, column)):
        raise ValueError(f"column {error}")
    return table


def _column_errors(table: sa.Table, column: sa.Column[Any]) -> Iterator[str]:
    name = f"{column.name} of table {table.name}"
    bounds = (column.info.get("minimum", 0), column.info.get("maximum", 0))
    if column.name in RESERVED_COLUMNS:
        yield f"{name} has a reserved name ({', '.join(RESERVED_COLUMNS)})"
    # PostgreSQL would refuse values that do not fit into an Integer or a String(length)
    has_length = getattr(column.type, "length", None) is not None
    if has_length or not isinstance(column.type, tuple(TYPE_DESCRIPTIONS)):
        yield f"{name} must be a Double, BigInteger, DateTime, or String without a length"
    if unknown := column.info.keys() - INFO_KEYS:
        yield f"{name} has unknown info {', '.join(unknown)}"
    if not all(isinstance(bound, int | float) for bound in bounds):
        yield f"{name} has a minimum or maximum that is not a number"
    if missing := set(column.info.get("content_of", ())) - set(table.columns.keys()):
        yield f"{name} is computed from {', '.join(missing)}, which the table does not have"


def results_tables(
    name: str,
    metadata: sa.MetaData,
    *,
    key: sa.Column[Any],
    values: Mapping[str, sa.Column[Any]] | Sequence[sa.Column[Any]],
    outcome: str,
    probability: str,
) -> ResultTables:
    """Define the table of results for rows with this key, and the one of rejected rows.

    Each model version scores a row once: version and key are unique together. The key is null for
    a row from the form. `values` maps each feature to the column that stores its scored value. If
    it is a sequence of source columns, each is stored under its own name and type. `outcome` and
    `probability` name the columns for the outcome label and its probability.
    """
    if not isinstance(values, Mapping):
        values = {column.name: sa.Column(_result_name(column), column.type) for column in values}
    key_name = _result_name(key)
    table = sa.Table(
        name,
        metadata,
        sa.Column("id", IdType, primary_key=True),
        sa.Column("model_id", sa.ForeignKey(model_versions.c.model_id), nullable=False),
        sa.Column("process_time", sa.DateTime, nullable=False),  # in UTC, like all times
        sa.Column(key_name, sa.ForeignKey(key)),
        *values.values(),
        sa.Column(outcome, sa.String, nullable=False),
        sa.Column(probability, sa.Double, nullable=False),
        sa.Column("trained_on", sa.Boolean),  # whether the version was trained on this row
        sa.Column("source", sa.String, nullable=False),  # batch or form
        sa.Column("scoring_run_id", sa.ForeignKey(scoring_runs.c.id)),
        sa.UniqueConstraint(key_name, "model_id"),  # also the index to find a row's results
    )
    rejected_table = sa.Table(
        f"{name}_rejected",
        metadata,
        sa.Column("id", IdType, primary_key=True),
        sa.Column("model_id", sa.ForeignKey(model_versions.c.model_id), nullable=False),
        sa.Column(key_name, sa.ForeignKey(key), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("process_time", sa.DateTime, nullable=False),
        sa.Column("scoring_run_id", sa.ForeignKey(scoring_runs.c.id), nullable=False),
        sa.UniqueConstraint(key_name, "model_id"),
    )
    value_columns = {feature: column.name for feature, column in values.items()}
    return ResultTables(table, rejected_table, key_name, value_columns, outcome, probability)


def _result_name(column: sa.Column[Any]) -> str:
    """Return the column's name, prefixed with its table's if results tables use that name."""
    return f"{column.table.name}_{column.name}" if column.name in OWN_COLUMNS else column.name

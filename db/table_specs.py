"""Declare the tables of a problem: its sources, what is scored, and where results go."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Double,
    ForeignKey,
    MetaData,
    Select,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.sql import visitors
from sqlalchemy.types import TypeEngine

from db.tables import IdType, common_metadata, loads, model_versions, scoring_runs

HASH_LENGTH = 32  # hexadecimal digits of a content key
TYPE_DESCRIPTIONS: dict[type[TypeEngine[Any]], str] = {  # the types that a source column may have
    Double: "a number",
    BigInteger: "a whole number",
    String: "text",
    DateTime: "a timestamp",
}
INFO_KEYS = {"minimum", "maximum", "optional", "content_of"}  # the keys that `info` may have
ROW_NUMBER = "row_number"  # a column that the readers add: the row's number in the file, from 1
RESERVED_COLUMNS = ("load_id", ROW_NUMBER)  # columns that we add to those of a source
RESULT_COLUMNS = (  # columns that every results table has
    "id",
    "model_id",
    "process_time",
    "reason",
    "trained_on",
    "source",
    "scoring_run_id",
)


@dataclass(frozen=True)
class Source:
    """A table, and the name (without extension) of the file that fills it.

    The table defines the checks: a primary key is neither null nor repeated, foreign keys exist,
    numbers are finite and within a column's `info={"minimum": …, "maximum": …}`. A column with
    `info={"optional": True}` may be missing from the file.
    """

    table: Table
    file: str

    @property
    def columns(self) -> list[Column[Any]]:
        """The columns that a file may contain: all but those that we add."""
        added = ("load_id", "" if self.content_key is None else self.content_key.name)
        return [column for column in self.table.columns if column.name not in added]

    @property
    def content_key(self) -> Column[Any] | None:
        """The table's primary key, if it is a hash of the row's content."""
        keys = self.table.primary_key.columns
        return next((key for key in keys if "content_of" in key.info), None)


@dataclass(frozen=True)
class ResultTables:
    """The tables that store the results of a problem, and the names of their columns."""

    table: Table
    rejected_table: Table
    key_column: str
    value_columns: Mapping[str, str]  # feature -> the column that stores its scored value
    outcome_column: str
    probability_column: str


@dataclass(frozen=True)
class ScoringSpec:
    """What is scored: a select with one row per key, and the tables for the results.

    `has_label` selects the rows whose outcome is known; without it, all rows have one.
    """

    rows: Select[Any]
    key: Column[Any]
    results: ResultTables
    has_label: ColumnElement[bool] | None = None

    @cached_property
    def tables(self) -> list[Table]:
        """The source tables that a scored row is joined from."""
        tables = (t for t in self.key.table.metadata.sorted_tables if "load_id" in t.c)
        froms = self.rows.get_final_froms()
        return [t for t in tables if any(f.is_derived_from(t) for f in froms)]

    @property
    def columns(self) -> set[Column[Any]]:
        """The source columns that the select uses, whether for output, joins or conditions."""
        parts = visitors.iterate(self.rows)
        return {part for part in parts if isinstance(part, Column) and part.table in self.tables}


def describe_type(column: Column[Any]) -> str:
    """Describe what a source column must contain, such as "a number"."""
    return next(text for type_, text in TYPE_DESCRIPTIONS.items() if isinstance(column.type, type_))


def repeated_key_reason(table: Table) -> str:
    """Return the reason to reject a row whose key occurs earlier in its source."""
    return f"{' and '.join(column.name for column in table.primary_key)} is repeated"


def referenced_columns(table: Table) -> dict[Column[Any], Column[Any]]:
    """Map each foreign key column of a source table to the column that it references."""
    keys = {column: key.column for column in table.columns for key in column.foreign_keys}
    return {column: key for column, key in keys.items() if column.name not in RESERVED_COLUMNS}


def missing_reference_reason(column: Column[Any], referenced: Column[Any]) -> str:
    """Return the reason to reject a row whose foreign key does not exist."""
    return f"{column.name} is not in {referenced.table.name}"


def content_key(name: str, *, columns: Sequence[str]) -> Column[Any]:
    """Define a primary key for files without one: a hash of the values of these columns.

    If several rows have equal values, the second one gets the hash followed by `-2`, and so on.
    Leave out columns that become known later, such as the label: a new hash means a new row.
    """
    return Column(name, String, primary_key=True, info={"content_of": tuple(columns)})


def source_table(name: str, metadata: MetaData, *columns: Column[Any]) -> Table:
    """Define a source table; the added column `load_id` names the load that last wrote a row.

    Raises:
        ValueError: the definition is invalid.
    """
    load_id: Column[Any] = Column("load_id", ForeignKey(loads.c.id), nullable=False)
    table = Table(name, metadata, *columns, load_id)
    if name in common_metadata.tables:
        raise ValueError(f"the table name {name} is reserved")
    if not table.primary_key.columns:
        raise ValueError(f"table {name} has no primary key: declare one, or a content_key")
    for error in (error for column in columns for error in _column_errors(table, column)):
        raise ValueError(f"column {error}")
    return table


def _column_errors(table: Table, column: Column[Any]) -> Iterator[str]:
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
    metadata: MetaData,
    *,
    key: Column[Any],
    values: Mapping[str, Column[Any]] | Sequence[Column[Any]],
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
        values = {column.name: Column(_result_name(column), column.type) for column in values}
    key_name = _result_name(key)
    table = Table(
        name,
        metadata,
        Column("id", IdType, primary_key=True),
        Column("model_id", ForeignKey(model_versions.c.model_id), nullable=False),
        Column("process_time", DateTime, nullable=False),  # in UTC, like all times
        Column(key_name, ForeignKey(key)),
        *values.values(),
        Column(outcome, String, nullable=False),
        Column(probability, Double, nullable=False),
        Column("trained_on", Boolean),  # whether the version was trained on this row
        Column("source", String, nullable=False),  # batch or form
        Column("scoring_run_id", ForeignKey(scoring_runs.c.id)),
        UniqueConstraint(key_name, "model_id"),  # also the index to find a row's results
    )
    rejected_table = Table(
        f"{name}_rejected",
        metadata,
        Column("id", IdType, primary_key=True),
        Column("model_id", ForeignKey(model_versions.c.model_id), nullable=False),
        Column(key_name, ForeignKey(key), nullable=False),
        Column("reason", String, nullable=False),
        Column("process_time", DateTime, nullable=False),
        Column("scoring_run_id", ForeignKey(scoring_runs.c.id), nullable=False),
        UniqueConstraint(key_name, "model_id"),
    )
    value_columns = {feature: column.name for feature, column in values.items()}
    return ResultTables(table, rejected_table, key_name, value_columns, outcome, probability)


def _result_name(column: Column[Any]) -> str:
    """Return the column's name, prefixed with its table's if results tables use that name."""
    return f"{column.table.name}_{column.name}" if column.name in RESULT_COLUMNS else column.name

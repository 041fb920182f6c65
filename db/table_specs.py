"""How a problem declares its tables: sources, what is scored of them, and where results go."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Double,
    ForeignKey,
    Integer,
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
KINDS: dict[type[TypeEngine], str] = {  # what a source's column may be, and must then hold
    Double: "a number",
    Integer: "a whole number",
    String: "text",
    DateTime: "a timestamp",
}
INFO = {"minimum", "maximum", "optional", "content_of"}  # what its info may say
ROW_NUMBER = "row_number"  # a column that a file's reader adds: the row's number, from 1
OURS = ("load_id", ROW_NUMBER)  # columns that we add to what a source brings
OF_RESULTS = (  # columns that every table of results has
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
    """A table and the file of the source folder that fills it, named without its ending.

    Checks follow from the table: its primary key is neither null nor repeated, its foreign keys
    exist, its numbers are finite and within a column's `info={"minimum": …, "maximum": …}`. A
    column with `info={"optional": True}` may be missing in the file.
    """

    table: Table
    file: str

    @property
    def columns(self) -> list[Column]:
        """The columns that a file may bring: all but those that are ours."""
        ours = ("load_id", "" if self.content_key is None else self.content_key.name)
        return [column for column in self.table.columns if column.name not in ours]

    @property
    def content_key(self) -> Column | None:
        """The table's key, if it is made of the row's content."""
        keys = self.table.primary_key.columns
        return next((key for key in keys if "content_of" in key.info), None)


@dataclass(frozen=True)
class ResultTables:
    """Where the scores of a problem's rows go, and under which column names."""

    table: Table
    rejected_table: Table
    key_column: str
    value_columns: Mapping[str, str]  # feature -> the column that keeps the value that was scored
    outcome_column: str
    probability_column: str


@dataclass(frozen=True)
class ScoringSpec:
    """What is scored: a select with one row a key, and where its results go.

    `labelled` says which of the rows have an outcome to learn from; without it all have.
    """

    rows: Select
    key: Column
    results: ResultTables
    has_label: ColumnElement[bool] | None = None

    @cached_property
    def tables(self) -> list[Table]:
        """The source tables that a scored row is made of."""
        return [t for t in self.key.table.metadata.sorted_tables if self._reads(t)]

    @property
    def columns(self) -> set[Column]:
        """The columns that a scored row depends on: those that the select shows, joins or asks."""
        parts = visitors.iterate(self.rows)
        return {part for part in parts if isinstance(part, Column) and part.table in self.tables}

    def _reads(self, table: Table) -> bool:
        if "load_id" not in table.c:
            return False
        return any(f.is_derived_from(table) for f in self.rows.get_final_froms())


def describe_type(column: Column) -> str:
    """What a column of a source table must hold, in words."""
    return next(words for of, words in KINDS.items() if isinstance(column.type, of))


def repeated_key_reason(table: Table) -> str:
    """Why a row is set aside whose key an earlier row of its source has."""
    return f"{' and '.join(column.name for column in table.primary_key)} is repeated"


def referenced_columns(table: Table) -> dict[Column, Column]:
    """The columns of a source table that must be found in another one's, and those."""
    found = {c: key.column for c in table.columns for key in c.foreign_keys}
    return {column: parent for column, parent in found.items() if column.name not in OURS}


def missing_reference_reason(column: Column, parent: Column) -> str:
    """Why a row is set aside whose value is not among its parents."""
    return f"{column.name} is not in {parent.table.name}"


def content_key(name: str, *, of: Sequence[str]) -> Column:
    """A primary key for rows that have none in their file: a hash of these columns' values.

    The second row of the file with the same values gets the hash and `-2`, and so on. Leave out
    what becomes known later, as the label: a row whose other values change is a new row.
    """
    return Column(name, String, primary_key=True, info={"content_of": tuple(of)})


def source_table(name: str, metadata: MetaData, *columns: Column) -> Table:
    """A problem's own table; it also remembers which load last wrote each of its rows.

    Raises:
        ValueError: it cannot be one; says why.
    """
    table = Table(
        name, metadata, *columns, Column("load_id", ForeignKey(loads.c.id), nullable=False)
    )
    if name in common_metadata.tables:
        raise ValueError(f"the name {name} is taken by a table of our own")
    if not table.primary_key.columns:
        raise ValueError(f"table {name} has no primary key: declare one, or a content_key")
    for fault in (fault for column in columns for fault in _column_faults(table, column)):
        raise ValueError(f"column {fault}")
    return table


def _column_faults(table: Table, column: Column) -> Iterator[str]:
    where = f"{column.name} of table {table.name}"
    bounds = (column.info.get("minimum", 0), column.info.get("maximum", 0))
    if column.name in OURS:
        yield f"{where} has a name that is taken: {', '.join(OURS)}"
    if not isinstance(column.type, tuple(KINDS)):
        yield f"{where} must be a Double, BigInteger, String or DateTime"
    if unknown := column.info.keys() - INFO:
        yield f"{where} has unknown info {', '.join(unknown)}"
    if not all(isinstance(bound, int | float) for bound in bounds):
        yield f"{where} has a minimum or maximum that is no number"
    if missing := set(column.info.get("content_of", ())) - set(table.columns.keys()):
        yield f"{where} is made of {', '.join(missing)}, which the table lacks"


def results_tables(
    name: str,
    metadata: MetaData,
    *,
    key: Column,
    values: Mapping[str, Column] | Sequence[Column],
    word: str,
    probability: str,
) -> ResultTables:
    """The table of results for rows with this key, and the table of rows no model could score.

    A row is scored once by a version: unique on version and key. The key is null for a row that
    came from a form. `values` names, for each feature, the column that keeps what was scored;
    given the features' own columns, it is one of the same name and type.
    """
    if not isinstance(values, Mapping):
        values = {column.name: Column(_free(column), column.type) for column in values}
    key_name = _free(key)
    table = Table(
        name,
        metadata,
        Column("id", IdType, primary_key=True),
        Column("model_id", ForeignKey(model_versions.c.model_id), nullable=False),
        Column("process_time", DateTime, nullable=False),  # UTC, as are all times
        Column(key_name, ForeignKey(key)),
        *values.values(),
        Column(word, String, nullable=False),
        Column(probability, Double, nullable=False),
        Column("trained_on", Boolean),  # was this row, as it is, among the training rows
        Column("source", String, nullable=False),  # batch or form
        Column("scoring_run_id", ForeignKey(scoring_runs.c.id)),
        UniqueConstraint(key_name, "model_id"),  # also finds a row's results of all versions
    )
    rejects = Table(
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
    names = {feature: column.name for feature, column in values.items()}
    return ResultTables(table, rejects, key_name, names, word, probability)


def _free(column: Column) -> str:
    """The column's name among results, with its table's in front where we have one of that name."""
    return f"{column.table.name}_{column.name}" if column.name in OF_RESULTS else column.name

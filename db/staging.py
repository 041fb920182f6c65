"""Load one source file into its table through a staging table.

SQL statements find repeated keys and missing references and merge the rows, in bounded memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from db import bulk
from db.engine import dialect_insert
from db.readers import SourceError, SourceFile
from db.table_specs import (
    ROW_NUMBER,
    ScoringSpec,
    missing_reference_reason,
    referenced_columns,
    repeated_key_reason,
)
from db.tables import rejected_rows
from db.validation import RejectedRow, to_json_values


@dataclass
class FileReport:
    """How many rows of a file were added, updated and rejected."""

    file: str
    rows: int = 0
    added: int = 0
    updated: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # reason -> rows
    results_dropped: int = 0  # results of rows that changed, which will be scored again

    @property
    def unchanged(self) -> int:
        return self.rows - self.added - self.updated - self.rejected.total()

    def raise_if_too_many_rejected(self, max_rejected: float, action: str) -> None:
        """Raise SourceError if a larger share is rejected; `action` is "loaded" or "scored"."""
        if self.rejected.total() > max_rejected * self.rows:
            counts = ", ".join(f"{reason}: {n:,}" for reason, n in self.rejected.most_common())
            raise SourceError(
                f"More than {max_rejected:.2%} of the {self.rows:,} rows of {self.file} are "
                f"invalid ({counts}, and perhaps more): nothing was {action}; correct the file or "
                "raise --max-rejected."
            )


@dataclass(frozen=True)
class LoadRequest:
    """What to load: the problem's name and scoring spec, and the path of the source.

    `add` permits a database that already holds another source. `max_rejected` is the largest
    share of rejected rows in a file.
    """

    problem: str
    scoring: ScoringSpec
    source: str
    add: bool
    max_rejected: float


class FileLoader:
    """Loads one file into its table."""

    def __init__(
        self, request: LoadRequest, connection: sa.Connection, file: SourceFile, load_id: int
    ) -> None:
        self.request, self.connection, self.file, self.load_id = request, connection, file, load_id
        self.table = file.source.table
        self.keys = [column.name for column in self.table.primary_key]
        self.staging = sa.Table(
            f"staging_{self.table.name}",
            sa.MetaData(),
            *(sa.Column(c.name, c.type) for c in file.columns),
            sa.Column(ROW_NUMBER, sa.BigInteger, nullable=False),
            prefixes=["TEMPORARY"],
        )
        self.report = FileReport(file.name, rows=file.row_count)

    def run(self, advance: Callable[[int], None]) -> FileReport:
        """Stage, check and merge the file; call `advance` with the number of rows read.

        Raises:
            SourceError: the file is damaged, or too many of its rows are invalid.
        """
        self.staging.create(self.connection)
        for valid, rejected in self.file.batches():
            self._store_rejected(rejected)
            columns = {name: valid[name].to_pylist() for name in valid.column_names}
            bulk.insert_rows(self.connection, self.staging, columns)
            advance(valid.num_rows + len(rejected))
        if self.file.source.content_key is not None:
            self._number_repeated_keys(self.file.source.content_key.name)
        self._reject_staged(self._repeated_key_condition(), repeated_key_reason(self.table))
        for column, referenced in referenced_columns(self.table).items():
            self._check_references(column, referenced)
        self._merge()
        self.staging.drop(self.connection)
        return self.report

    def _store_rejected(self, rows: Iterable[RejectedRow]) -> None:
        common = {
            "load_id": self.load_id,
            "problem": self.request.problem,
            "source": self.request.source,
            "table_name": self.table.name,
        }
        records: list[dict[str, Any]] = [
            {**common, "row_number": r.row_number, "reason": r.reason, "row_values": r.values}
            for r in rows
        ]
        if records:
            self.connection.execute(sa.insert(rejected_rows), records)
            self.report.rejected.update(record["reason"] for record in records)
        self.report.raise_if_too_many_rejected(self.request.max_rejected, "loaded")

    def _number_repeated_keys(self, key: str) -> None:
        """Append -2, -3 and so on to the content keys of repeated rows, in the file's order."""
        staged = self.staging
        nth = sa.func.row_number().over(partition_by=staged.c[key], order_by=staged.c[ROW_NUMBER])
        rows = sa.select(staged.c[ROW_NUMBER], nth.label("nth")).subquery()
        self.connection.execute(
            sa.update(staged)
            .where(staged.c[ROW_NUMBER] == rows.c[ROW_NUMBER], rows.c.nth > 1)
            .values({key: staged.c[key] + "-" + rows.c.nth.cast(sa.String)})
        )

    def _repeated_key_condition(self) -> sa.ColumnElement[bool]:
        """Return the condition that an earlier row of the file has the same key."""
        other = self.staging.alias()
        keys = [other.c[name] for name in self.keys]
        first_rows = (
            sa.select(*keys, sa.func.min(other.c[ROW_NUMBER]).label("first"))
            .group_by(*keys)
            .having(sa.func.count() > 1)
            .subquery()
        )
        same_key = sa.and_(*(first_rows.c[name] == self.staging.c[name] for name in self.keys))
        return sa.exists().where(same_key, self.staging.c[ROW_NUMBER] > first_rows.c.first)

    def _check_references(self, column: sa.Column[Any], referenced: sa.Column[Any]) -> None:
        staged = self.staging.c[column.name]
        # comparing the sorted columns is much faster than a lookup for every row
        missing = sa.select(staged).where(staged.is_not(None)).except_(sa.select(referenced))
        if self.connection.execute(missing.order_by(column.name).limit(1)).first():
            condition = sa.and_(staged.is_not(None), ~sa.exists().where(referenced == staged))
            self._reject_staged(condition, missing_reference_reason(column, referenced))

    def _reject_staged(self, condition: sa.ColumnElement[bool], reason: str) -> None:
        """Move the staged rows that meet the condition to the rejected rows."""
        if not (count := self._count(self.staging, condition)):
            return
        max_rejected = self.request.max_rejected
        if count + self.report.rejected.total() > max_rejected * self.file.row_count:
            self.report.rejected[reason] += count  # raise before so many rows are in memory
            self.report.raise_if_too_many_rejected(max_rejected, "loaded")
        query = sa.select(self.staging).where(condition)
        rows = [dict(row) for row in self.connection.execute(query).mappings()]
        self._store_rejected(
            RejectedRow(row.pop(ROW_NUMBER), reason, to_json_values(row)) for row in rows
        )
        self.connection.execute(sa.delete(self.staging).where(condition))

    def _merge(self) -> None:
        """Insert new rows into the table and update those that changed."""
        names = [column.name for column in self.file.columns]
        values = [name for name in names if name not in self.keys]
        self.report.updated = self._count(self._changed_keys(values))
        # columns that are not scored, such as labels, do not invalidate results
        if scored := [v for v in values if self.table.c[v] in self.request.scoring.columns]:
            self._delete_outdated_results(scored)
        statement = dialect_insert(self.connection)(self.table)
        columns = [self.staging.c[name] for name in names]
        staged = sa.select(*columns, sa.literal(self.load_id)).where(sa.true())
        new = statement.excluded
        statement = statement.from_select([*names, "load_id"], staged).on_conflict_do_update(
            index_elements=self.keys,
            set_={name: new[name] for name in [*values, "load_id"]},
            where=sa.or_(sa.false(), *(self.table.c[v].is_distinct_from(new[v]) for v in values)),
        )
        count_before = self._count(self.table)
        self.connection.execute(statement)
        self.report.added = self._count(self.table) - count_before

    def _delete_outdated_results(self, values: Sequence[str]) -> None:
        """Delete the results of rows whose values change, so that they are scored again."""
        changed = sa.Table(
            f"changed_{self.table.name}",
            sa.MetaData(),
            *(sa.Column(c.name, c.type, primary_key=True) for c in self.table.primary_key),
            prefixes=["TEMPORARY"],
        )
        changed.create(self.connection)
        changed_keys = self._changed_keys(values)
        self.connection.execute(sa.insert(changed).from_select(self.keys, changed_keys))
        scoring = self.request.scoring
        same_key = sa.and_(*(self.table.c[key] == changed.c[key] for key in self.keys))
        affected = scoring.rows.with_only_columns(scoring.key).join(changed, same_key)
        for table in (scoring.results.table, scoring.results.rejected_table):
            statement = sa.delete(table).where(table.c[scoring.results.key_column].in_(affected))
            self.report.results_dropped += self.connection.execute(statement).rowcount
        changed.drop(self.connection)

    def _changed_keys(self, values: Sequence[str]) -> sa.Select[Any]:
        """Select the keys of stored rows that differ from their staged row in these columns."""
        stored, staged = self.table.c, self.staging.c
        return sa.select(*(stored[key] for key in self.keys)).where(
            *(stored[key] == staged[key] for key in self.keys),
            sa.or_(sa.false(), *(stored[v].is_distinct_from(staged[v]) for v in values)),
        )

    def _count(self, rows: sa.Table | sa.Select[Any], *where: sa.ColumnElement[bool]) -> int:
        source = rows if isinstance(rows, sa.Table) else rows.subquery()
        count = sa.select(sa.func.count()).select_from(source).where(*where)
        return self.connection.execute(count).scalar_one()

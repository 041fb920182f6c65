"""One source file on its way into its table, by a staging table that the database checks.

Repeated keys and unknown references are found, set aside and merged by SQL: in bounded memory.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    String,
    Table,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)

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
    """What became of a file's rows."""

    file: str
    rows: int = 0
    added: int = 0
    updated: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # reason -> rows
    results_dropped: int = 0  # scores of rows that changed, which will be scored again

    @property
    def unchanged(self) -> int:
        return self.rows - self.added - self.updated - self.rejected.total()

    def raise_if_too_many_rejected(self, max_rejected: float, done: str) -> None:
        """Raises SourceError if more than this share of the rows is rejected: nothing is `done`."""
        if self.rejected.total() > max_rejected * self.rows:
            counts = ", ".join(f"{n:,} {reason}" for reason, n in self.rejected.most_common())
            raise SourceError(
                f"More than {max_rejected:.2%} of the {self.rows:,} rows of {self.file} are bad "
                f"({counts}, and perhaps more): nothing was {done}; mend the file or allow more "
                "with --max-rejected."
            )


@dataclass(frozen=True)
class LoadRequest:
    """What is loaded: the problem's name and scoring, and the source's address.

    `max_rejected` is the largest share of a file's rows that may be rejected; `add` says that the
    source may join another one.
    """

    problem: str
    scoring: ScoringSpec
    source: str
    add: bool
    max_rejected: float


class StagedFile:
    """One file on its way through staging into its table."""

    def __init__(
        self, load: LoadRequest, connection: Connection, file: SourceFile, load_id: int
    ) -> None:
        self.load, self.connection, self.file, self.load_id = load, connection, file, load_id
        self.table = file.source.table
        self.keys = [column.name for column in self.table.primary_key]
        self.staging = Table(
            f"staging_{self.table.name}",
            MetaData(),
            *(Column(c.name, c.type) for c in file.columns),
            Column(ROW_NUMBER, BigInteger, nullable=False),
            prefixes=["TEMPORARY"],
        )
        self.report = FileReport(file.name, rows=file.row_count)

    def run(self, advance: Callable[[int], None]) -> FileReport:
        """Stage, check and merge the file; `advance` is told of rows read.

        Raises:
            SourceError: the file is damaged, or too many of its rows are bad.
        """
        self.staging.create(self.connection)
        for good, rejected in self.file.batches():
            self._reject(rejected)
            columns = {name: good[name].to_pylist() for name in good.column_names}
            bulk.insert_rows(self.connection, self.staging, columns)
            advance(good.num_rows + len(rejected))
        if self.file.source.content_key is not None:
            self._number_repeated(self.file.source.content_key.name)
        self._set_aside(self._repeated(), repeated_key_reason(self.table))
        for column, parent in referenced_columns(self.table).items():
            if self._has_unknown(column.name, parent):
                self._set_aside(
                    self._unknown(column.name, parent), missing_reference_reason(column, parent)
                )
        self._merge()
        self.staging.drop(self.connection)
        return self.report

    def _reject(self, rows: Iterable[RejectedRow]) -> None:
        same = {
            "load_id": self.load_id,
            "problem": self.load.problem,
            "source": self.load.source,
            "table_name": self.table.name,
        }
        found: list[dict[str, Any]] = [
            {**same, "row_number": r.row_number, "reason": r.reason, "row_values": r.values}
            for r in rows
        ]
        if found:
            self.connection.execute(insert(rejected_rows), found)
            self.report.rejected.update(row["reason"] for row in found)
        self._stop_if_too_many()

    def _stop_if_too_many(self) -> None:
        self.report.raise_if_too_many_rejected(self.load.max_rejected, "loaded")

    def _number_repeated(self, key: str) -> None:
        """Tell rows with the same content apart by how many of them came before in the file."""
        staged = self.staging
        nth = func.row_number().over(partition_by=staged.c[key], order_by=staged.c[ROW_NUMBER])
        rows = select(staged.c[ROW_NUMBER], nth.label("nth")).subquery()
        self.connection.execute(
            update(staged)
            .where(staged.c[ROW_NUMBER] == rows.c[ROW_NUMBER], rows.c.nth > 1)
            .values({key: staged.c[key] + "-" + rows.c.nth.cast(String)})
        )

    def _repeated(self) -> ColumnElement[bool]:
        """A row whose key an earlier row of the file has: the first one counts."""
        other = self.staging.alias()
        keys = [other.c[name] for name in self.keys]
        firsts = (
            select(*keys, func.min(other.c[ROW_NUMBER]).label("first"))
            .group_by(*keys)
            .having(func.count() > 1)
            .subquery()
        )
        same_key = and_(*(firsts.c[name] == self.staging.c[name] for name in self.keys))
        return exists().where(same_key, self.staging.c[ROW_NUMBER] > firsts.c.first)

    def _has_unknown(self, name: str, parent: Column) -> bool:
        """By sorting both sides: 46 million single look-ups took a quarter of the load."""
        child = self.staging.c[name]
        others = select(child).where(child.is_not(None)).except_(select(parent))
        return self.connection.execute(others.order_by(name).limit(1)).first() is not None

    def _unknown(self, name: str, parent: Column) -> ColumnElement[bool]:
        child = self.staging.c[name]
        return and_(child.is_not(None), ~exists().where(parent == child))

    def _set_aside(self, fault: ColumnElement[bool], reason: str) -> None:
        """Move the staged rows with this fault to the rejected ones."""
        if not (faulty := self._count(self.staging, fault)):
            return
        allowed = self.load.max_rejected * self.file.row_count
        if faulty + self.report.rejected.total() > allowed:  # before they fill our memory
            self.report.rejected[reason] += faulty
            self._stop_if_too_many()
        found = self.connection.execute(select(self.staging).where(fault)).mappings().all()
        self._reject(
            RejectedRow(row[ROW_NUMBER], reason, _without_number(dict(row))) for row in found
        )
        self.connection.execute(delete(self.staging).where(fault))

    def _merge(self) -> None:
        """Put the staged rows into their table: new ones are added, changed ones updated."""
        names = [column.name for column in self.file.columns]
        values = [name for name in names if name not in self.keys]
        self.report.updated = self._count(self._differing(values))
        # a label that becomes known later changes no score
        if scored := [v for v in values if self.table.c[v] in self.load.scoring.columns]:
            self._drop_results_of_changed(scored)
        put = dialect_insert(self.connection)(self.table)
        staged = select(*(self.staging.c[n] for n in names), literal(self.load_id)).where(true())
        put = put.from_select([*names, "load_id"], staged).on_conflict_do_update(
            index_elements=self.keys,
            set_={name: put.excluded[name] for name in [*values, "load_id"]},
            where=or_(
                false(), *(self.table.c[v].is_distinct_from(put.excluded[v]) for v in values)
            ),
        )
        before = self._count(self.table)
        self.connection.execute(put)
        self.report.added = self._count(self.table) - before

    def _drop_results_of_changed(self, values: Sequence[str]) -> None:
        """A row made of a changed one loses its results, so that it is scored again."""
        changed = Table(
            f"changed_{self.table.name}",
            MetaData(),
            *(Column(c.name, c.type, primary_key=True) for c in self.table.primary_key),
            prefixes=["TEMPORARY"],
        )
        changed.create(self.connection)
        self.connection.execute(insert(changed).from_select(self.keys, self._differing(values)))
        scoring = self.load.scoring
        same_key = and_(*(self.table.c[key] == changed.c[key] for key in self.keys))
        affected = scoring.rows.with_only_columns(scoring.key).join(changed, same_key)
        for table in (scoring.results.table, scoring.results.rejected_table):
            dropped = delete(table).where(table.c[scoring.results.key_column].in_(affected))
            self.report.results_dropped += self.connection.execute(dropped).rowcount
        changed.drop(self.connection)

    def _differing(self, values: Sequence[str]) -> Select:
        """The keys of stored rows that a staged one would change in these columns."""
        stored, staged = self.table.c, self.staging.c
        return select(*(stored[key] for key in self.keys)).where(
            *(stored[key] == staged[key] for key in self.keys),
            or_(false(), *(stored[value].is_distinct_from(staged[value]) for value in values)),
        )

    def _count(self, rows: Table | Select, *where: ColumnElement[bool]) -> int:
        counted = rows if isinstance(rows, Table) else rows.subquery()
        count = select(func.count()).select_from(counted).where(*where)
        return self.connection.execute(count).scalar_one()


def _without_number(row: dict[str, object]) -> dict[str, object]:
    row.pop(ROW_NUMBER)
    return to_json_values(row)

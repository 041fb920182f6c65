"""Imports the results folders of score_spark.py into the results tables. A folder contains:

model_versions/model_id=name%2F3/…       the version that results refer to
results_…/model_id=name%2F3/commit=000001/outcome=scored/…      and outcome=rejected/…
rejected_rows/run=…/…                    rejected rows of the source
_staging/…                               unfinished files, which no reader uses
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.dataset as ds
import pyarrow.parquet as pq
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    FromClause,
    MetaData,
    Select,
    Table,
    and_,
    exists,
    func,
    literal,
    select,
    true,
)

from cli import one_line
from db import bulk, runs
from db.engine import acquire_load_lock, dialect_insert, write_transaction
from db.readers import READ_ERRORS, SourceError
from db.results import BATCH_SOURCE
from db.runs import ScoringRun
from db.table_specs import ScoringSpec
from db.tables import model_versions

Advance = Callable[[int], None]  # called with the number of rows done since the last call

BATCH_ROWS = 20_000
SCORED, REJECTED = "scored", "rejected"
# the columns that a results folder stores for a version, as the table of versions does
IDENTITY_COLUMNS = ("logged_model_id", "registry", "decision_threshold")


def partition_name(model_id: str) -> str:
    """The name that Spark gives to the folder of a version's partition."""
    return "model_id=" + model_id.replace("%", "%25").replace("/", "%2F")


@dataclass(frozen=True)
class OutcomeFiles:
    """The result files of one version with one outcome, and their number of rows."""

    outcome: str
    files: list[str]
    rows: int


@dataclass(frozen=True)
class VersionFiles:
    """The results of one version in a folder."""

    model_id: str
    identity: tuple[Any, ...]  # the values of IDENTITY_COLUMNS
    outcomes: tuple[OutcomeFiles, ...]

    @property
    def rows(self) -> int:
        return sum(outcome.rows for outcome in self.outcomes)


@dataclass(frozen=True)
class ImportCounts:
    """How many results of a version were imported or already stored; the others are outdated."""

    model_id: str
    rows: int
    added: int
    already_stored: int

    @property
    def outdated(self) -> int:
        """The number of results whose row has changed since it was scored."""
        return self.rows - self.added - self.already_stored


def find_versions(folder: Path, scoring: ScoringSpec) -> list[VersionFiles]:
    """The versions that have results in a local folder.

    Raises:
        SourceError: there are no results, or they are damaged.
    """
    name = scoring.results.table.name
    try:
        versions = [
            VersionFiles(
                unquote(path.name.partition("=")[2]),
                _read_identity(folder / model_versions.name / path.name),
                tuple(_outcome_files(path, outcome) for outcome in (SCORED, REJECTED)),
            )
            for path in sorted((folder / name).glob("model_id=*"))
        ]
    except (*READ_ERRORS, LookupError) as error:
        raise SourceError(
            f"The results in {folder} are damaged ({_reason(error)}): nothing was imported."
        ) from error
    if not versions:
        raise SourceError(
            f"{folder} holds no results of score_spark.py for {name}: give its --results folder."
        )
    return versions


def _read_identity(folder: Path) -> tuple[Any, ...]:
    row = pq.read_table(folder, page_checksum_verification=True).to_pylist()[0]
    return tuple(row[name] for name in IDENTITY_COLUMNS)


def _outcome_files(path: Path, outcome: str) -> OutcomeFiles:
    files = sorted(map(str, path.glob(f"commit=*/outcome={outcome}/*.parquet")))
    return OutcomeFiles(outcome, files, sum(pq.read_metadata(file).num_rows for file in files))


def _reason(error: Exception) -> str:
    return one_line(str(error), 200) or "a file is missing"


def import_version(
    engine: Engine, scoring: ScoringSpec, folder: Path, version: VersionFiles, advance: Advance
) -> ImportCounts:
    """Import all results of one version in one transaction, as a scoring run of its own.

    A result is skipped if its row has changed since it was scored, so that the row stays pending.

    Raises:
        DatabaseError: the database has results of another model with the same version id.
        SourceError: a file is damaged.
    """
    runs.remember_version(engine, version.model_id, *version.identity)
    run = runs.start_run(engine, version.model_id, str(folder))
    outcome, added, already_stored = "failed", 0, 0
    try:
        with write_transaction(engine) as connection:
            acquire_load_lock(connection)
            for files in version.outcomes:
                new, current = _OutcomeImport(connection, scoring, run, files).run(advance)
                added, already_stored = added + new, already_stored + current - new
        outcome = "finished"
    except READ_ERRORS as error:
        raise SourceError(
            f"The results of {version.model_id} in {folder} are damaged ({_reason(error)}): none "
            "of them was imported."
        ) from error
    finally:
        runs.end_run(engine, scoring, run, outcome)
    return ImportCounts(version.model_id, version.rows, added, already_stored)


class _OutcomeImport:
    """Imports the results of one outcome through a staging table."""

    def __init__(
        self, connection: Connection, scoring: ScoringSpec, run: ScoringRun, files: OutcomeFiles
    ) -> None:
        self._connection, self._scoring, self._run, self._files = connection, scoring, run, files
        self._is_scored = files.outcome == SCORED
        tables = scoring.results
        if self._is_scored:
            self._table = tables.table
            columns = [tables.outcome_column, tables.probability_column, "trained_on"]
        else:
            self._table, columns = tables.rejected_table, ["reason"]
        self._names = [tables.key_column, *columns, "process_time"]
        compared = [name for name in tables.value_columns.values() if name not in self._names]
        typed = {**tables.table.c, **self._table.c}
        self._staging = Table(
            f"staging_{self._table.name}",
            MetaData(),
            *(Column(name, typed[name].type) for name in (*self._names, *compared)),
            prefixes=["TEMPORARY"],
        )

    def run(self, advance: Advance) -> tuple[int, int]:
        """Store the new results; returns their number, and that of results of unchanged rows."""
        self._staging.create(self._connection)
        for columns in self._batches():
            bulk.insert_rows(self._connection, self._staging, columns)
            advance(len(next(iter(columns.values()))))
        current = self._current_results()
        current_count = self._count(current.subquery())
        stored = select(self._table).filter_by(model_id=self._run.model_id).subquery()
        stored_before = self._count(stored)
        insert = dialect_insert(self._connection)(self._table)
        names = current.selected_columns.keys()
        self._connection.execute(insert.from_select(names, current).on_conflict_do_nothing())
        added = self._count(stored) - stored_before
        if self._is_scored:  # a row is either scored or rejected, and the score counts
            rejected_table = self._scoring.results.rejected_table
            self._connection.execute(rejected_table.delete().where(self._is_now_scored()))
        self._staging.drop(self._connection)
        return added, current_count

    def _batches(self) -> Iterator[bulk.Columns]:
        if not self._files.files:
            return  # there is no schema to read
        names = self._staging.columns.keys()
        file_format = ds.ParquetFileFormat(page_checksum_verification=True)
        files = ds.dataset(self._files.files, format=file_format)
        for batch in files.to_batches(columns=names, batch_size=BATCH_ROWS, fragment_readahead=1):
            yield {name: batch[name].to_pylist() for name in names}

    def _current_results(self) -> Select:
        """The staged results of rows that have not changed since they were scored."""
        scoring, staged = self._scoring, self._staging.c
        rows = scoring.rows.subquery("current")
        is_same_row = rows.c[scoring.key.name] == staged[scoring.results.key_column]
        is_unchanged = [
            rows.c[feature].is_not_distinct_from(staged[name])
            for feature, name in scoring.results.value_columns.items()
        ]
        constants = {"model_id": self._run.model_id, "scoring_run_id": self._run.id}
        if self._is_scored:
            constants["source"] = BATCH_SOURCE
        query = select(
            *(staged[name] for name in self._names),
            *(literal(v, self._table.c[name].type).label(name) for name, v in constants.items()),
        ).join_from(self._staging, rows, and_(is_same_row, *is_unchanged))
        query = query.where(true())  # SQLite needs a WHERE before ON CONFLICT
        return query if self._is_scored else query.where(~self._has_score(staged))

    def _has_score(self, columns: Any) -> Any:
        """A condition: the version has a score for the row with the key in these columns."""
        table, key = self._scoring.results.table, self._scoring.results.key_column
        is_own = table.c.model_id == self._run.model_id
        return exists().where(table.c[key] == columns[key], is_own)

    def _is_now_scored(self) -> Any:
        """A condition on rejections of the version: the staged results score the row."""
        rejected, key = self._scoring.results.rejected_table.c, self._scoring.results.key_column
        is_staged = exists().where(self._staging.c[key] == rejected[key])
        return and_(rejected.model_id == self._run.model_id, is_staged, self._has_score(rejected))

    def _count(self, rows: FromClause) -> int:
        return self._connection.execute(select(func.count()).select_from(rows)).scalar_one()

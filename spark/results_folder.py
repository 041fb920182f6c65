"""Results that score_spark.py wrote as Parquet: where they lie, and bringing them into the tables.

What such a folder holds:

    model_versions/model_id=name%2F3/…       what results refer to, as in a database
    results_…/model_id=name%2F3/commit=000001/outcome=scored/…      and outcome=rejected/…
    rejected_rows/run=…/…                    rows of the source that were set aside
    _staging/…                               what is not whole yet; no reader looks
"""

from collections.abc import Callable, Iterator, Mapping
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
    MetaData,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    literal,
    select,
    true,
)

from db import bulk, runs
from db.engine import acquire_load_lock, dialect_insert, write_transaction
from db.readers import READ_ERRORS, SourceError
from db.results import BATCH_SOURCE
from db.table_specs import ScoringSpec
from db.tables import model_versions

BATCH_ROWS = 20_000
SCORED, REJECTED = "scored", "rejected"
# what a folder knows of a version, as the table of versions does
IDENTITY_COLUMNS = ("logged_model_id", "registry", "decision_threshold")


def partition_name(model_id: str) -> str:
    """The name of a version's folders, as Spark would call a partition."""
    return "model_id=" + model_id.replace("%", "%25").replace("/", "%2F")


@dataclass(frozen=True)
class OutcomeFiles:
    """The results of one version with one outcome, in files."""

    outcome: str
    files: list[str]
    rows: int


@dataclass(frozen=True)
class VersionFiles:
    """A version's results in a folder, and what the folder knows of the version."""

    model_id: str
    identity: Mapping[str, Any]
    outcomes: tuple[OutcomeFiles, ...]

    @property
    def rows(self) -> int:
        return sum(outcome.rows for outcome in self.outcomes)


@dataclass(frozen=True)
class ImportCounts:
    """What became of a version's results: new, there before, or of rows that are others now."""

    model_id: str
    rows: int
    added: int
    already_stored: int

    @property
    def outdated(self) -> int:
        return self.rows - self.added - self.already_stored


def find_versions(folder: Path, scoring: ScoringSpec) -> list[VersionFiles]:
    """The versions that have results in a folder of this machine.

    Raises:
        SourceError: there are none, or they are damaged.
    """
    name = scoring.results.table.name
    try:
        found = [
            VersionFiles(
                unquote(path.name.partition("=")[2]),
                _one_row(folder / model_versions.name / path.name),
                tuple(_outcome(path, outcome) for outcome in (SCORED, REJECTED)),
            )
            for path in sorted((folder / name).glob("model_id=*"))
        ]
    except (*READ_ERRORS, IndexError) as error:
        raise SourceError(
            f"The results in {folder} are damaged ({_reason(error)}): nothing was brought in."
        ) from error
    if not found:
        raise SourceError(
            f"{folder} holds no results of score_spark.py for {name}: give what its --results "
            "named."
        )
    return found


def _one_row(folder: Path) -> Mapping[str, Any]:
    return dict(pq.read_table(folder, page_checksum_verification=True).to_pylist()[0])


def _outcome(path: Path, outcome: str) -> OutcomeFiles:
    files = sorted(map(str, path.glob(f"commit=*/outcome={outcome}/*.parquet")))
    return OutcomeFiles(outcome, files, sum(pq.read_metadata(file).num_rows for file in files))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or "a file is missing"


def import_version(
    engine: Engine,
    scoring: ScoringSpec,
    folder: Path,
    version: VersionFiles,
    advance: Callable[[int], None],
) -> ImportCounts:
    """Bring one version's results in, all or nothing, as a scoring run of its own.

    Only results of rows that the database has as they were scored: a row that changed since is
    still to be scored.

    Raises:
        DatabaseError: results under this name belong to another model.
        SourceError: a file is damaged.
    """
    of = version.identity
    runs.remember_version(engine, version.model_id, *(of[name] for name in IDENTITY_COLUMNS))
    run = runs.start_run(engine, version.model_id, str(folder))
    outcome, added, known = "failed", 0, 0
    try:
        with write_transaction(engine) as connection:
            acquire_load_lock(connection)
            for results in version.outcomes:
                new, matching = _Staged(connection, scoring, run, results).put(advance)
                added, known = added + new, known + matching - new
        outcome = "finished"
    except READ_ERRORS as error:
        raise SourceError(
            f"The results of {version.model_id} in {folder} are damaged ({_reason(error)}): none "
            "of them was brought in."
        ) from error
    finally:
        runs.end_run(engine, scoring, run, outcome)
    return ImportCounts(version.model_id, version.rows, added, known)


class _Staged:
    """Results of one outcome on their way through a temporary table."""

    def __init__(
        self,
        connection: Connection,
        scoring: ScoringSpec,
        run: runs.ScoringRun,
        results: OutcomeFiles,
    ) -> None:
        self._connection, self._scoring, self._run, self._found = connection, scoring, run, results
        self._scored = results.outcome == SCORED
        tables = scoring.results
        self._table = tables.table if self._scored else tables.rejected_table
        own = (
            [tables.outcome_column, tables.probability_column, "trained_on"]
            if self._scored
            else ["reason"]
        )
        self._kept = [tables.key_column, *own, "process_time"]
        compared = [name for name in tables.value_columns.values() if name not in self._kept]
        self._staging = Table(
            f"staging_{self._table.name}",
            MetaData(),
            *(Column(name, self._type(name)) for name in (*self._kept, *compared)),
            prefixes=["TEMPORARY"],
        )

    def _type(self, name: str) -> Any:
        tables = self._scoring.results
        return (self._table if name in self._table.c else tables.table).c[name].type

    def put(self, advance: Callable[[int], None]) -> tuple[int, int]:
        """Store what is new; returns how many, and how many rows are as they were scored."""
        self._staging.create(self._connection)
        for columns in self._batches():
            bulk.insert_rows(self._connection, self._staging, columns)
            advance(len(next(iter(columns.values()))))
        matching = self._matching()
        count = select(func.count()).select_from(matching.subquery())
        number = self._connection.execute(count).scalar_one()
        before = self._stored()
        put = dialect_insert(self._connection)(self._table)
        names = [column.name for column in matching.selected_columns]
        self._connection.execute(put.from_select(names, matching).on_conflict_do_nothing())
        added = self._stored() - before
        if self._scored:  # a row is one of both: what was rejected has been scored since
            self._connection.execute(
                delete(self._scoring.results.rejected_table).where(self._both())
            )
        self._staging.drop(self._connection)
        return added, number

    def _batches(self) -> Iterator[bulk.Columns]:
        if not self._found.files:
            return
        names = [column.name for column in self._staging.columns]
        checked = ds.ParquetFileFormat(page_checksum_verification=True)
        files = ds.dataset(self._found.files, format=checked)
        for batch in files.to_batches(columns=names, batch_size=BATCH_ROWS, fragment_readahead=1):
            yield {name: batch[name].to_pylist() for name in names}

    def _matching(self) -> Select:
        """The staged results of rows that are as they were scored."""
        scoring, staged = self._scoring, self._staging.c
        current = scoring.rows.subquery("current")
        same = [
            current.c[feature].is_not_distinct_from(staged[name])
            for feature, name in scoring.results.value_columns.items()
        ]
        key = current.c[scoring.key.name] == staged[scoring.results.key_column]
        common = {"model_id": self._run.model_id, "scoring_run_id": self._run.id}
        if self._scored:
            common["source"] = BATCH_SOURCE
        query = select(
            *(staged[name] for name in self._kept),
            *(literal(v, self._table.c[name].type).label(name) for name, v in common.items()),
        ).where(true())
        query = query.join_from(self._staging, current, and_(key, *same))
        return query if self._scored else query.where(~exists().where(self._has(staged)))

    def _has(self, of: Any) -> Any:
        """Has the version a score of the row with this key."""
        table, key = self._scoring.results.table, self._scoring.results.key_column
        return and_(table.c[key] == of[key], table.c.model_id == self._run.model_id)

    def _both(self) -> Any:
        rejects, key = self._scoring.results.rejected_table, self._scoring.results.key_column
        mine = rejects.c.model_id == self._run.model_id
        staged = exists().where(self._staging.c[key] == rejects.c[key])
        return and_(mine, staged, exists().where(self._has(rejects.c)))

    def _stored(self) -> int:
        mine = self._table.c.model_id == self._run.model_id
        return self._connection.execute(
            select(func.count()).select_from(self._table).where(mine)
        ).scalar_one()

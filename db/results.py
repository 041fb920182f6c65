"""What a version has not scored yet, storing its scores, and proving that none is lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    case,
    delete,
    exists,
    func,
    select,
)

from db import bulk, claims
from db.claims import Claim
from db.engine import acquire_load_lock, read_transaction, write_transaction
from db.runs import ScoringRun
from db.table_specs import ScoringSpec
from db.tables import last_load_id, rejected_rows, scoring_runs, utc_now

BATCH_SOURCE = "batch"  # where a scored row came from


@dataclass(frozen=True)
class Page:
    """Rows to score, as of one load: a list of values for each column of the row select.

    They may be stored while the claim on them stands; a page that is not claimed, always.
    """

    columns: Mapping[str, Sequence[Any]]
    last_load: int
    claim: Claim | None = None
    others_have_claims: bool = False  # others had claims when it was read

    def halves(self) -> tuple["Page", "Page"]:
        middle = len(self) // 2
        return self._part(slice(middle)), self._part(slice(middle, None))

    def _part(self, rows: slice) -> "Page":
        return replace(self, columns={name: v[rows] for name, v in self.columns.items()})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


@dataclass(frozen=True)
class ScoredPage:
    """A page's answers, in its order, ready to be stored."""

    page: Page
    probabilities: Sequence[float]
    outcome_labels: Sequence[str]
    trained_on: Sequence[bool | None]


@dataclass(frozen=True)
class TableCounts:
    """How a version stands on a table, each number from a query of its own."""

    selected: int
    scored: int
    rejected: int
    pending: int

    @property
    def is_consistent(self) -> bool:
        return self.selected == self.scored + self.rejected + self.pending


def read_pending_page(
    engine: Engine, scoring: ScoringSpec, model_id: str, after: Any, most: int
) -> Page:
    """The next rows by key, after the key `after`, that the version has not dealt with.

    Besides the select's own columns each row has its `latest_load`. The read is short, so that it
    does not hold back SQLite's log.
    """
    with read_transaction(engine) as connection:
        return _read(connection, _page_query(scoring, model_id, after, most))


def claim_page(
    engine: Engine, scoring: ScoringSpec, run: ScoringRun, after: Any, most: int
) -> Page:
    """The same, without rows that any run has claimed, and claimed for this one."""
    with write_transaction(engine) as connection:
        claims.lock_claims(connection)
        found = claims.revoke_expired(connection, run)
        query = _page_query(scoring, run.model_id, after, most)
        page = _read(connection, query.where(*claims.exclude_claimed(scoring.key, found.active)))
        keys = page.columns.get(scoring.key.name)
        claim = claims.claim_keys(connection, run, keys) if keys else None
        return replace(page, claim=claim, others_have_claims=found.others > 0)


def latest_load_column(scoring: ScoringSpec) -> ColumnElement[int | None]:
    """The latest load that wrote any part of a row, as a column; null if it has no label."""
    written: list[ColumnElement[int]] = [table.c.load_id for table in scoring.tables]
    load_id: ColumnElement = reduce(_later, written)
    if scoring.has_label is not None:
        load_id = case((scoring.has_label, load_id))
    return load_id.label("load_id")


def _page_query(scoring: ScoringSpec, model_id: str, after: Any, most: int) -> Select:
    query = _pending(scoring, model_id).add_columns(latest_load_column(scoring))
    if after is not None:
        query = query.where(scoring.key > after)
    return query.order_by(scoring.key).limit(most)


def _read(connection: Connection, query: Select) -> Page:
    load = last_load_id(connection)  # first: a load that comes after it is noticed when we store
    found = connection.execute(query)
    names, rows = found.keys(), found.all()
    return Page(dict(zip(names, zip(*rows, strict=True), strict=bool(rows))), load)


def store_scores(engine: Engine, scoring: ScoringSpec, run: ScoringRun, scored: ScoredPage) -> bool:
    """Store a page's scores in one transaction, each row once however often it is tried.

    Returns:
        False, with nothing stored, if a load has come between reading the page and now, so that
        its rows may have changed, or if the claim on it was lost: they are to be read again.
    """
    results, page = scoring.results, scored.page
    columns = {column: page.columns[name] for name, column in scored_columns(scoring)}
    columns |= {
        results.outcome_column: scored.outcome_labels,
        results.probability_column: scored.probabilities,
        "trained_on": scored.trained_on,
    }
    return _put(engine, results.table, run, page, columns, {"source": BATCH_SOURCE})


def store_rejected(
    engine: Engine, scoring: ScoringSpec, run: ScoringRun, page: Page, reason: str
) -> bool:
    """Store the rows of a page as rejected by the version, for this reason; returns as `store`."""
    columns = {scoring.results.key_column: page.columns[scoring.key.name]}
    return _put(engine, scoring.results.rejected_table, run, page, columns, {"reason": reason})


def delete_rejected(engine: Engine, scoring: ScoringSpec, model_id: str) -> int:
    """Make the rows that a version rejected pending again; returns how many."""
    rejects = scoring.results.rejected_table
    with write_transaction(engine) as connection:
        acquire_load_lock(connection)
        return connection.execute(delete(rejects).where(rejects.c.model_id == model_id)).rowcount


def count_rejected(engine: Engine, scoring: ScoringSpec, model_id: str) -> int:
    """How many rows the version has rejected, whoever asked it."""
    rejects = scoring.results.rejected_table
    query = select(func.count()).select_from(rejects).where(rejects.c.model_id == model_id)
    with read_transaction(engine) as connection:
        return connection.execute(query).scalar_one()


def rejection_reasons(engine: Engine, scoring: ScoringSpec, model_id: str) -> dict[str, int]:
    """How many rows the version has rejected for each reason, most first."""
    rejects, number = scoring.results.rejected_table, func.count().label("number")
    query = select(rejects.c.reason, number).where(rejects.c.model_id == model_id)
    with read_transaction(engine) as connection:
        found = connection.execute(query.group_by(rejects.c.reason).order_by(number.desc()))
        return {row.reason: row.number for row in found}


def scored_columns(scoring: ScoringSpec) -> list[tuple[str, str]]:
    """Pairs of a column of the row select and the results' column that keeps it."""
    return [(scoring.key.name, scoring.results.key_column), *scoring.results.value_columns.items()]


def reconcile(engine: Engine, scoring: ScoringSpec, model_id: str) -> TableCounts:
    """Count what the version's table holds, each number by its own query, at one moment."""
    results, rejects, key = (
        scoring.results.table,
        scoring.results.rejected_table,
        scoring.results.key_column,
    )

    with read_transaction(engine) as connection:

        def number(query: Select) -> int:
            rows = select(func.count()).select_from(query.subquery())
            return connection.execute(rows).scalar_one()

        keyed = results.c[key].is_not(None)
        return TableCounts(
            selected=number(scoring.rows.with_only_columns(scoring.key)),
            scored=number(select(results.c.id).where(results.c.model_id == model_id, keyed)),
            rejected=number(select(rejects.c.id).where(rejects.c.model_id == model_id)),
            pending=number(_pending(scoring, model_id).with_only_columns(scoring.key)),
        )


def _pending(scoring: ScoringSpec, model_id: str) -> Select:
    query = scoring.rows
    for table in (scoring.results.table, scoring.results.rejected_table):
        query = query.where(
            ~exists().where(
                table.c.model_id == model_id, table.c[scoring.results.key_column] == scoring.key
            )
        )
    return query


def _later(a: ColumnElement[int], b: ColumnElement[int]) -> ColumnElement[int]:
    return case((a >= b, a), else_=b)


def _put(
    engine: Engine,
    table: Table,
    run: ScoringRun,
    page: Page,
    columns: bulk.Columns,
    same: Mapping[str, Any],
) -> bool:
    of_run = {"model_id": run.model_id, "scoring_run_id": run.id, "process_time": utc_now()}
    with write_transaction(engine) as connection:
        acquire_load_lock(connection)
        claim = page.claim
        current = last_load_id(connection) == page.last_load
        stored = current and (claim is None or claims.is_held(connection, claim))
        if stored:
            bulk.insert_new_rows(connection, table, columns, {**of_run, **same})
        if claim and (claim.rows_left == len(page) or not current):
            claims.release(connection, claim)
    if claim:
        claim.rows_left -= len(page)
    return stored


def summarize_tables(
    engine: Engine, tables: Sequence[Table], problem: str, model_id: str
) -> tuple[dict[str, int], int, float | None]:
    """Return the rows of each source table, the rows that ingest rejected, and the scoring rate.

    The rate of the version's latest scoring run is in rows per second; None if it stored no row.
    """
    version_runs = select(scoring_runs).where(scoring_runs.c.model_id == model_id)
    rejected = select(func.count()).where(rejected_rows.c.problem == problem)
    with read_transaction(engine) as connection:
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        }
        run = connection.execute(version_runs.order_by(scoring_runs.c.id.desc())).first()
        rejected_count = connection.execute(rejected).scalar_one()
    if run is None or not run.stored:
        return counts, rejected_count, None
    seconds = (run.finished_at - run.started_at).total_seconds()
    return counts, rejected_count, run.stored / seconds

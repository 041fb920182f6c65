"""Read the rows that a version has not scored, store its results, and count both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import sqlalchemy as sa

from db import bulk, claims
from db.claims import Claim
from db.engine import acquire_load_lock, read_transaction, write_transaction
from db.runs import ScoringRun
from db.table_specs import ScoringSpec
from db.tables import last_load_id, utc_now

AnySelect = sa.Select[*tuple[Any, ...]]
BATCH_SOURCE = "batch"  # the `source` of a result from a scoring run


@dataclass(frozen=True)
class Page:
    """Rows to score, as they were after a certain load: a list of values for each column.

    The results of a claimed page can be stored only while the claim is held.
    """

    columns: Mapping[str, Sequence[Any]]
    last_load: int
    claim: Claim | None = None
    others_have_claims: bool = False  # when the page was read

    def halves(self) -> tuple["Page", "Page"]:
        middle = len(self) // 2
        return self._part(slice(middle)), self._part(slice(middle, None))

    def _part(self, rows: slice) -> "Page":
        return replace(self, columns={name: v[rows] for name, v in self.columns.items()})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


@dataclass(frozen=True)
class ScoredPage:
    """A page with the results of its rows, in the same order."""

    page: Page
    probabilities: Sequence[float]
    outcome_labels: Sequence[str]
    trained_on: Sequence[bool | None]


@dataclass(frozen=True)
class TableCounts:
    """The rows of a table by their state for a version, each count from its own query."""

    selected: int
    scored: int
    rejected: int
    pending: int

    @property
    def is_consistent(self) -> bool:
        return self.selected == self.scored + self.rejected + self.pending


def read_pending_page(
    engine: sa.Engine, scoring: ScoringSpec, model_id: str, after: Any, max_rows: int
) -> Page:
    """Return the first pending rows of a version whose keys are greater than `after`.

    The page has the columns of the row query and `load_id`, the latest load of each row. The read
    is short, because a long one would keep SQLite's write-ahead log from shrinking.
    """
    with read_transaction(engine) as connection:
        return _read(connection, _page_query(scoring, model_id, after, max_rows))


def claim_page(
    engine: sa.Engine, scoring: ScoringSpec, run: ScoringRun, after: Any, max_rows: int
) -> Page:
    """Like `read_pending_page`, without the rows that other runs have claimed; claims the page."""
    with write_transaction(engine) as connection:
        claims.lock_claims(connection)
        version_claims = claims.revoke_expired(connection, run)
        query = _page_query(scoring, run.model_id, after, max_rows)
        unclaimed = claims.exclude_claimed(scoring.key, version_claims.active)
        page = _read(connection, query.where(*unclaimed))
        keys = page.columns.get(scoring.key.name)
        claim = claims.claim_keys(connection, run, keys) if keys else None
        return replace(page, claim=claim, others_have_claims=version_claims.others > 0)


def latest_load_column(scoring: ScoringSpec) -> sa.ColumnElement[int | None]:
    """Return a column with the latest load that wrote a part of the row; null without a label."""
    load_ids: list[sa.ColumnElement[Any]] = [table.c.load_id for table in scoring.tables]
    load_id = reduce(lambda a, b: sa.case((a >= b, a), else_=b), load_ids)
    if scoring.has_label is not None:
        load_id = sa.case((scoring.has_label, load_id))
    return load_id.label("load_id")


def _page_query(scoring: ScoringSpec, model_id: str, after: Any, max_rows: int) -> AnySelect:
    query = _pending(scoring, model_id).add_columns(latest_load_column(scoring))
    if after is not None:
        query = query.where(scoring.key > after)
    return query.order_by(scoring.key).limit(max_rows)


def _read(connection: sa.Connection, query: AnySelect) -> Page:
    load = last_load_id(connection)  # before the rows, so that a later load is noticed
    result = connection.execute(query)
    names, rows = result.keys(), result.all()
    return Page(dict(zip(names, zip(*rows, strict=True), strict=bool(rows))), load)


def store_scores(
    engine: sa.Engine, scoring: ScoringSpec, run: ScoringRun, scored: ScoredPage
) -> bool:
    """Store the results of a page in one transaction; rows that have results are left as they are.

    Returns:
        Whether the results were stored. They were not if a load has written since the page was
        read, or if the claim on the page was lost: then read its rows again.
    """
    results, page = scoring.results, scored.page
    columns = {column: page.columns[name] for name, column in scored_columns(scoring)}
    columns |= {
        results.outcome_column: scored.outcome_labels,
        results.probability_column: scored.probabilities,
        "trained_on": scored.trained_on,
    }
    return _store(engine, results.table, run, page, columns, {"source": BATCH_SOURCE})


def store_rejected(
    engine: sa.Engine, scoring: ScoringSpec, run: ScoringRun, page: Page, reason: str
) -> bool:
    """Store the rows of a page as rejected by the version; returns the same as `store_scores`."""
    columns = {scoring.results.key_column: page.columns[scoring.key.name]}
    return _store(engine, scoring.results.rejected_table, run, page, columns, {"reason": reason})


def delete_rejected(engine: sa.Engine, scoring: ScoringSpec, model_id: str) -> int:
    """Make the rejected rows of a version pending again, and return their number."""
    rejected = scoring.results.rejected_table
    with write_transaction(engine) as connection:
        acquire_load_lock(connection)
        statement = sa.delete(rejected).where(rejected.c.model_id == model_id)
        return connection.execute(statement).rowcount


def count_rejected(engine: sa.Engine, scoring: ScoringSpec, model_id: str) -> int:
    """Count the rows that the version has rejected in all runs."""
    return sum(rejection_reasons(engine, scoring, model_id).values())


def rejection_reasons(engine: sa.Engine, scoring: ScoringSpec, model_id: str) -> dict[str, int]:
    """Count the rows that the version has rejected by reason, the most frequent reason first."""
    rejected, number = scoring.results.rejected_table, sa.func.count().label("number")
    query = sa.select(rejected.c.reason, number).where(rejected.c.model_id == model_id)
    with read_transaction(engine) as connection:
        rows = connection.execute(query.group_by(rejected.c.reason).order_by(number.desc()))
        return {row.reason: row.number for row in rows}


def scored_columns(scoring: ScoringSpec) -> list[tuple[str, str]]:
    """Return pairs of a column in the row query and the result column that stores its value."""
    return [(scoring.key.name, scoring.results.key_column), *scoring.results.value_columns.items()]


def reconcile(engine: sa.Engine, scoring: ScoringSpec, model_id: str) -> TableCounts:
    """Count the rows of the table by their state for a version, all at the same moment."""
    tables = scoring.results
    results, rejected = tables.table, tables.rejected_table
    has_key = results.c[tables.key_column].is_not(None)
    with read_transaction(engine) as connection:

        def count(query: AnySelect) -> int:
            rows = sa.select(sa.func.count()).select_from(query.subquery())
            return connection.execute(rows).scalar_one()

        return TableCounts(
            selected=count(scoring.rows.with_only_columns(scoring.key)),
            scored=count(sa.select(results.c.id).where(results.c.model_id == model_id, has_key)),
            rejected=count(sa.select(rejected.c.id).where(rejected.c.model_id == model_id)),
            pending=count(_pending(scoring, model_id).with_only_columns(scoring.key)),
        )


def _pending(scoring: ScoringSpec, model_id: str) -> AnySelect:
    query = scoring.rows
    for table in (scoring.results.table, scoring.results.rejected_table):
        has_result = sa.exists().where(
            table.c.model_id == model_id, table.c[scoring.results.key_column] == scoring.key
        )
        query = query.where(~has_result)
    return query


def _store(
    engine: sa.Engine,
    table: sa.Table,
    run: ScoringRun,
    page: Page,
    columns: bulk.Columns,
    constants: Mapping[str, Any],
) -> bool:
    run_columns = {"model_id": run.model_id, "scoring_run_id": run.id, "process_time": utc_now()}
    claim = page.claim
    with write_transaction(engine) as connection:
        acquire_load_lock(connection)
        is_current = last_load_id(connection) == page.last_load
        can_store = is_current and (claim is None or claims.is_held(connection, claim))
        if can_store:
            bulk.insert_new_rows(connection, table, columns, {**run_columns, **constants})
        if claim and (claim.rows_left == len(page) or not is_current):
            claims.release(connection, claim)
    if claim:
        claim.rows_left -= len(page)
    return can_store

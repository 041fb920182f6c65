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
from db.engine import reading, take_turns_with_loads, writing
from db.runs import Run
from db.table_specs import Scoring
from db.tables import last_load, utc_now

BATCH = "batch"  # where a scored row came from


@dataclass(frozen=True)
class Page:
    """Rows to score, as of one load: a list of values for each column of the row select.

    They may be stored while the claim on them stands; a page that is not claimed, always.
    """

    columns: Mapping[str, Sequence[Any]]
    last_load: int
    claim: Claim | None = None
    shared: bool = False  # others had claims when it was read

    def halves(self) -> tuple["Page", "Page"]:
        middle = len(self) // 2
        return self._part(slice(middle)), self._part(slice(middle, None))

    def _part(self, rows: slice) -> "Page":
        return replace(self, columns={name: v[rows] for name, v in self.columns.items()})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


@dataclass(frozen=True)
class Scored:
    """A page's answers, in its order, ready to be stored."""

    page: Page
    probabilities: Sequence[float]
    words: Sequence[str]
    trained_on: Sequence[bool | None]


@dataclass(frozen=True)
class Counts:
    """How a version stands on a table, each number from a query of its own."""

    selected: int
    scored: int
    rejected: int
    pending: int

    @property
    def agree(self) -> bool:
        return self.selected == self.scored + self.rejected + self.pending


def pending_page(engine: Engine, scoring: Scoring, model_id: str, after: Any, most: int) -> Page:
    """The next rows by key, after the key `after`, that the version has not dealt with.

    Besides the select's own columns each row has its `latest_load`. The read is short, so that it
    does not hold back SQLite's log.
    """
    with reading(engine) as connection:
        return _read(connection, _page_query(scoring, model_id, after, most))


def claim_page(engine: Engine, scoring: Scoring, run: Run, after: Any, most: int) -> Page:
    """The same, without rows that any run has claimed, and claimed for this one."""
    with writing(engine) as connection:
        claims.take_turns(connection)
        found = claims.look(connection, run)
        query = _page_query(scoring, run.model_id, after, most)
        page = _read(connection, query.where(*claims.free(scoring.key, found.standing)))
        keys = page.columns.get(scoring.key.name)
        claim = claims.claim(connection, run, keys) if keys else None
        return replace(page, claim=claim, shared=found.of_others > 0)


def latest_load(scoring: Scoring) -> ColumnElement[int | None]:
    """The latest load that wrote any part of a row, as a column; null if it has no label."""
    written: list[ColumnElement[int]] = [table.c.load_id for table in scoring.tables]
    load_id: ColumnElement = reduce(_later, written)
    if scoring.labelled is not None:
        load_id = case((scoring.labelled, load_id))
    return load_id.label("load_id")


def _page_query(scoring: Scoring, model_id: str, after: Any, most: int) -> Select:
    query = _pending(scoring, model_id).add_columns(latest_load(scoring))
    if after is not None:
        query = query.where(scoring.key > after)
    return query.order_by(scoring.key).limit(most)


def _read(connection: Connection, query: Select) -> Page:
    load = last_load(connection)  # first: a load that comes after it is noticed when we store
    found = connection.execute(query)
    names, rows = found.keys(), found.all()
    return Page(dict(zip(names, zip(*rows, strict=True), strict=bool(rows))), load)


def store(engine: Engine, scoring: Scoring, run: Run, scored: Scored) -> bool:
    """Store a page's scores in one transaction, each row once however often it is tried.

    Returns:
        False, with nothing stored, if a load has come between reading the page and now, so that
        its rows may have changed, or if the claim on it was lost: they are to be read again.
    """
    results, page = scoring.results, scored.page
    columns = {column: page.columns[name] for name, column in scored_columns(scoring)}
    columns |= {
        results.word: scored.words,
        results.probability: scored.probabilities,
        "trained_on": scored.trained_on,
    }
    return _put(engine, results.table, run, page, columns, {"source": BATCH})


def store_rejected(engine: Engine, scoring: Scoring, run: Run, page: Page, reason: str) -> bool:
    """Store the rows of a page as rejected by the version, for this reason; returns as `store`."""
    columns = {scoring.results.key: page.columns[scoring.key.name]}
    return _put(engine, scoring.results.rejects, run, page, columns, {"reason": reason})


def forget_rejected(engine: Engine, scoring: Scoring, model_id: str) -> int:
    """Make the rows that a version rejected pending again; returns how many."""
    rejects = scoring.results.rejects
    with writing(engine) as connection:
        take_turns_with_loads(connection)
        return connection.execute(delete(rejects).where(rejects.c.model_id == model_id)).rowcount


def rejected(engine: Engine, scoring: Scoring, model_id: str) -> int:
    """How many rows the version has rejected, whoever asked it."""
    rejects = scoring.results.rejects
    query = select(func.count()).select_from(rejects).where(rejects.c.model_id == model_id)
    with reading(engine) as connection:
        return connection.execute(query).scalar_one()


def reasons(engine: Engine, scoring: Scoring, model_id: str) -> dict[str, int]:
    """How many rows the version has rejected for each reason, most first."""
    rejects, number = scoring.results.rejects, func.count().label("number")
    query = select(rejects.c.reason, number).where(rejects.c.model_id == model_id)
    with reading(engine) as connection:
        found = connection.execute(query.group_by(rejects.c.reason).order_by(number.desc()))
        return {row.reason: row.number for row in found}


def scored_columns(scoring: Scoring) -> list[tuple[str, str]]:
    """Pairs of a column of the row select and the results' column that keeps it."""
    return [(scoring.key.name, scoring.results.key), *scoring.results.values.items()]


def reconcile(engine: Engine, scoring: Scoring, model_id: str) -> Counts:
    """Count what the version's table holds, each number by its own query, at one moment."""
    results, rejects, key = scoring.results.table, scoring.results.rejects, scoring.results.key

    with reading(engine) as connection:

        def number(query: Select) -> int:
            rows = select(func.count()).select_from(query.subquery())
            return connection.execute(rows).scalar_one()

        keyed = results.c[key].is_not(None)
        return Counts(
            selected=number(scoring.rows.with_only_columns(scoring.key)),
            scored=number(select(results.c.id).where(results.c.model_id == model_id, keyed)),
            rejected=number(select(rejects.c.id).where(rejects.c.model_id == model_id)),
            pending=number(_pending(scoring, model_id).with_only_columns(scoring.key)),
        )


def _pending(scoring: Scoring, model_id: str) -> Select:
    query = scoring.rows
    for table in (scoring.results.table, scoring.results.rejects):
        query = query.where(
            ~exists().where(
                table.c.model_id == model_id, table.c[scoring.results.key] == scoring.key
            )
        )
    return query


def _later(a: ColumnElement[int], b: ColumnElement[int]) -> ColumnElement[int]:
    return case((a >= b, a), else_=b)


def _put(
    engine: Engine,
    table: Table,
    run: Run,
    page: Page,
    columns: bulk.Columns,
    same: Mapping[str, Any],
) -> bool:
    of_run = {"model_id": run.model_id, "scoring_run_id": run.id, "process_time": utc_now()}
    with writing(engine) as connection:
        take_turns_with_loads(connection)
        claim = page.claim
        current = last_load(connection) == page.last_load
        stored = current and (claim is None or claims.stands(connection, claim))
        if stored:
            bulk.append_new(connection, table, columns, {**of_run, **same})
        if claim and (claim.left == len(page) or not current):
            claims.drop(connection, claim)
    if claim:
        claim.left -= len(page)
    return stored

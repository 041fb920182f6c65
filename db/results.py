"""What a version has not scored yet, storing its scores, and proving that none is lost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    Table,
    case,
    exists,
    func,
    insert,
    select,
    update,
)

from db.declare import Scoring
from db.engine import DatabaseError, insert_for, reading, take_turns_with_loads, writing
from db.tables import last_load, model_versions, scoring_runs, utc_now

BATCH = "batch"


@dataclass(frozen=True)
class Page:
    """Rows to score, as of one load: `rows` are tuples in the order of `names`."""

    names: Sequence[str]
    rows: Sequence[tuple[Any, ...]]
    last_load: int

    def column(self, name: str) -> list[Any]:
        at = self.names.index(name)
        return [row[at] for row in self.rows]

    def halves(self) -> tuple["Page", "Page"]:
        middle = len(self.rows) // 2
        return replace(self, rows=self.rows[:middle]), replace(self, rows=self.rows[middle:])

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Scored:
    """A page's answers, in its order, ready to be stored."""

    page: Page
    probabilities: Sequence[float]
    trained_on: Sequence[bool]


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


def remember_version(
    engine: Engine, model_id: str, logged_model_id: str, registry: str, threshold: float
) -> None:
    """Note the version that results will refer to.

    Raises:
        DatabaseError: results under this name belong to another model, as after a registered
            model was deleted and its numbers started again at 1.
    """
    table = model_versions
    new = {
        "model_id": model_id,
        "logged_model_id": logged_model_id,
        "registry": registry,
        "decision_threshold": threshold,
        "first_used_at": utc_now(),
    }
    with writing(engine) as connection:
        connection.execute(insert_for(connection)(table).on_conflict_do_nothing(), new)
        row = connection.execute(select(table).where(table.c.model_id == model_id)).one_or_none()
    if row is None or row.logged_model_id != logged_model_id:
        other = f"model {row.logged_model_id} of {row.registry}" if row else "another name"
        raise DatabaseError(
            f"{model_id} is now model {logged_model_id}, but this database knows it as {other}: "
            "train and promote again until the number is a new one, or use another --database."
        )


def start_run(engine: Engine, model_id: str, endpoint: str) -> int:
    """Open a row in the scoring runs; returns its number."""
    with writing(engine) as connection:
        row = insert(scoring_runs).values(
            model_id=model_id,
            endpoint=endpoint,
            started_at=utc_now(),
            outcome="running",
            stored=0,
            rejected=0,
        )
        return connection.execute(row.returning(scoring_runs.c.id)).scalar_one()


def end_run(engine: Engine, scoring: Scoring, run_id: int, outcome: str) -> int:
    """Close a scoring run's row with its outcome, and with what is stored under its number.

    Returns:
        The rows that this run scored or rejected, and no other client.
    """

    def stored(table: Table) -> ColumnElement[int]:
        rows = select(func.count()).select_from(table).where(table.c.scoring_run_id == run_id)
        return rows.scalar_subquery()

    closed = (
        update(scoring_runs)
        .where(scoring_runs.c.id == run_id)
        .values(
            finished_at=utc_now(),
            outcome=outcome,
            stored=stored(scoring.results.table),
            rejected=stored(scoring.results.rejects),
        )
        .returning(scoring_runs.c.stored + scoring_runs.c.rejected)
    )
    with writing(engine) as connection:
        return connection.execute(closed).scalar_one()


def pending_page(engine: Engine, scoring: Scoring, model_id: str, after: Any, most: int) -> Page:
    """The next rows by key, after the key `after`, that the version has not dealt with.

    Besides the select's own columns each row has `load_id`: the latest load that wrote any part
    of it, or null if it has no label. The read is short, so that it does not hold back SQLite's
    log.
    """
    written: list[ColumnElement[int]] = [table.c.load_id for table in scoring.tables]
    load_id = reduce(_later, written)
    if scoring.labelled is not None:
        load_id = case((scoring.labelled, load_id))
    query = _pending(scoring, model_id).add_columns(load_id.label("load_id"))
    if after is not None:
        query = query.where(scoring.key > after)
    with reading(engine) as connection:
        load = last_load(connection)
        found = connection.execute(query.order_by(scoring.key).limit(most))
        names = list(found.keys())
        return Page(names, [tuple(row) for row in found], load)


def store(
    engine: Engine,
    scoring: Scoring,
    model_id: str,
    run_id: int,
    words: Sequence[str],
    scored: Scored,
) -> bool:
    """Store a page's scores in one transaction, each row once however often it is tried.

    Returns:
        False, with nothing stored, if a load has come between reading the page and now: its rows
        may have changed, so they are to be read and scored again.
    """
    page, results = scored.page, scored_columns(scoring)
    now = utc_now()
    same = {"model_id": model_id, "process_time": now, "source": BATCH, "scoring_run_id": run_id}
    positions = [(page.names.index(feature), column) for feature, column in results]
    rows = [
        {
            **same,
            **{column: row[at] for at, column in positions},
            scoring.results.word: word,
            scoring.results.probability: probability,
            "trained_on": trained_on,
        }
        for row, word, probability, trained_on in zip(
            page.rows, words, scored.probabilities, scored.trained_on, strict=True
        )
    ]
    return _put(engine, scoring.results.table, page, rows)


def store_rejected(
    engine: Engine, scoring: Scoring, model_id: str, run_id: int, page: Page, reason: str
) -> bool:
    """Store the rows of a page as rejected by the version, for this reason; returns as `store`."""
    same: dict[str, Any] = {"model_id": model_id, "process_time": utc_now(), "reason": reason}
    rows = [
        {**same, "scoring_run_id": run_id, scoring.results.key: key}
        for key in page.column(scoring.key.name)
    ]
    return _put(engine, scoring.results.rejects, page, rows)


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


def _put(engine: Engine, table: Table, page: Page, rows: Sequence[dict[str, Any]]) -> bool:
    with writing(engine) as connection:
        take_turns_with_loads(connection)
        if last_load(connection) != page.last_load:
            return False
        connection.execute(insert_for(connection)(table).on_conflict_do_nothing(), rows)
        return True

"""Who scored: the versions that results refer to, and the runs of the scoring client."""

import os
import socket
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, Table, delete, func, insert, select, update

from db.engine import DatabaseError, dialect_insert, write_transaction
from db.table_specs import ScoringSpec
from db.tables import claims, database_now, model_versions, scoring_runs, utc_now

HOST = socket.gethostname()


@dataclass(frozen=True)
class ScoringRun:
    """A row of the scoring runs: its number, and the version that scores."""

    id: int
    model_id: str


@dataclass(frozen=True)
class RunCounts:
    """The rows that a run, and no other client, stored scores for or rejected."""

    stored: int
    rejected: int

    @property
    def rows(self) -> int:
        return self.stored + self.rejected


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
    with write_transaction(engine) as connection:
        connection.execute(dialect_insert(connection)(table).on_conflict_do_nothing(), new)
        row = connection.execute(select(table).where(table.c.model_id == model_id)).one_or_none()
    if row is None or row.logged_model_id != logged_model_id:
        other = f"model {row.logged_model_id} of {row.registry}" if row else "another name"
        raise DatabaseError(
            f"{model_id} is now model {logged_model_id}, but this database knows it as {other}: "
            "train and promote again until the number is a new one, or use another --database."
        )


def start_run(engine: Engine, model_id: str, endpoint: str) -> ScoringRun:
    """Open a row in the scoring runs."""
    with write_transaction(engine) as connection:
        row = insert(scoring_runs).values(
            model_id=model_id,
            endpoint=endpoint,
            started_at=utc_now(),
            outcome="running",
            stored=0,
            rejected=0,
            host=HOST,
            pid=os.getpid(),
            seen_at=database_now(connection),
        )
        return ScoringRun(
            connection.execute(row.returning(scoring_runs.c.id)).scalar_one(), model_id
        )


def end_run(engine: Engine, scoring: ScoringSpec, run: ScoringRun, outcome: str) -> RunCounts:
    """Close a scoring run's row with its outcome, and with what is stored under its number.

    What it claimed and has not dealt with is left to others.
    """

    def stored(table: Table) -> ColumnElement[int]:
        rows = select(func.count()).select_from(table).where(table.c.scoring_run_id == run.id)
        return rows.scalar_subquery()

    closed = (
        update(scoring_runs)
        .where(scoring_runs.c.id == run.id)
        .values(
            finished_at=utc_now(),
            outcome=outcome,
            stored=stored(scoring.results.table),
            rejected=stored(scoring.results.rejected_table),
        )
        .returning(scoring_runs.c.stored, scoring_runs.c.rejected)
    )
    with write_transaction(engine) as connection:
        connection.execute(delete(claims).where(claims.c.scoring_run_id == run.id))
        return RunCounts(*connection.execute(closed).one())

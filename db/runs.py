"""Record the model versions that results refer to, and the scoring runs."""

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
    """The number of a row in `scoring_runs`, and the version that the run scores with."""

    id: int
    model_id: str


@dataclass(frozen=True)
class RunCounts:
    """How many rows one run scored and stored, and how many it stored as rejected."""

    stored: int
    rejected: int

    @property
    def rows(self) -> int:
        return self.stored + self.rejected


def remember_version(
    engine: Engine, model_id: str, logged_model_id: str, registry: str, threshold: float
) -> None:
    """Add the version that results will refer to, unless the database knows it.

    Raises:
        DatabaseError: the database knows another model under this name, for example because the
            registered model was deleted and its versions are numbered from 1 again.
    """
    table = model_versions
    values = {
        "model_id": model_id,
        "logged_model_id": logged_model_id,
        "registry": registry,
        "decision_threshold": threshold,
        "first_used_at": utc_now(),
    }
    with write_transaction(engine) as connection:
        connection.execute(dialect_insert(connection)(table).on_conflict_do_nothing(), values)
        row = connection.execute(select(table).where(table.c.model_id == model_id)).one_or_none()
    if row is None or row.logged_model_id != logged_model_id:
        other = f"model {row.logged_model_id} of {row.registry}" if row else "another name"
        raise DatabaseError(
            f"{model_id} is now model {logged_model_id}, but this database knows it as {other}: "
            "train and promote again until the version has a new number, or use another --database."
        )


def start_run(engine: Engine, model_id: str, endpoint: str) -> ScoringRun:
    """Add a row with the outcome `running` to `scoring_runs`."""
    with write_transaction(engine) as connection:
        statement = insert(scoring_runs).values(
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
        run_id = connection.execute(statement.returning(scoring_runs.c.id)).scalar_one()
        return ScoringRun(run_id, model_id)


def end_run(engine: Engine, scoring: ScoringSpec, run: ScoringRun, outcome: str) -> RunCounts:
    """Write a run's outcome and row counts into `scoring_runs`, and release its claims."""

    def count(table: Table) -> ColumnElement[int]:
        rows = select(func.count()).select_from(table).where(table.c.scoring_run_id == run.id)
        return rows.scalar_subquery()

    statement = (
        update(scoring_runs)
        .where(scoring_runs.c.id == run.id)
        .values(
            finished_at=utc_now(),
            outcome=outcome,
            stored=count(scoring.results.table),
            rejected=count(scoring.results.rejected_table),
        )
        .returning(scoring_runs.c.stored, scoring_runs.c.rejected)
    )
    with write_transaction(engine) as connection:
        connection.execute(delete(claims).where(claims.c.scoring_run_id == run.id))
        return RunCounts(*connection.execute(statement).one())

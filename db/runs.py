"""Record the model versions that results refer to, and the scoring runs."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, Table, delete, func, insert, select, update

from db.engine import DatabaseError, dialect_insert, read_transaction, write_transaction
from db.table_specs import ScoringSpec
from db.tables import claims, database_now, model_versions, rejected_rows, scoring_runs, utc_now

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

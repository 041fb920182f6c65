"""Let several clients score one table: each run claims the rows that it is about to score.

A claim reserves a range of keys for one scoring run until the run has stored every row in it. A run
loses its claims if its process has ended, or if it has not renewed its lease for `LEASE_SECONDS`;
other runs then claim the rows. A page can be stored only while its claim is held.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

import cli
from db.engine import write_transaction
from db.runs import HOST, ScoringRun
from db.tables import claims, database_now, scoring_runs

AnyRow = sa.Row[*tuple[Any, ...]]
LEASE_SECONDS = 60.0
CLAIM_LOCK = 7_305_002  # an arbitrary number that identifies PostgreSQL's advisory lock for claims


@dataclass
class Claim:
    """A range of keys; `rows_left` counts its rows that are neither stored nor given up."""

    id: int
    rows_left: int


def lock_claims(connection: sa.Connection) -> None:
    """Keep other runs from claiming until this transaction ends; SQLite's write lock does that."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CLAIM_LOCK)))


@dataclass(frozen=True)
class VersionClaims:
    """The active claims for a version, and how many claims other runs had before the expiry."""

    active: Sequence[AnyRow]
    others: int


def revoke_expired(connection: sa.Connection, run: ScoringRun) -> VersionClaims:
    """Delete the claims of runs that have ended or expired; return those of the run's version."""
    rows = connection.execute(
        sa.select(claims, scoring_runs.c.host, scoring_runs.c.pid, scoring_runs.c.seen_at)
        .join(scoring_runs, scoring_runs.c.id == claims.c.scoring_run_id)
        .where(scoring_runs.c.model_id == run.model_id)
    ).all()
    others = [row for row in rows if row.scoring_run_id != run.id]
    if not others:
        return VersionClaims(rows, 0)
    now = database_now(connection)
    oldest = now - timedelta(seconds=LEASE_SECONDS)
    expired = {row.id for row in others if row.seen_at < oldest or _has_ended(row.host, row.pid)}
    if expired:
        connection.execute(sa.delete(claims).where(claims.c.id.in_(expired)))
    from_future = {row.scoring_run_id for row in others if row.seen_at > now}
    if from_future:  # the clock was set back: start their leases now, or they would never expire
        statement = sa.update(scoring_runs).where(scoring_runs.c.id.in_(from_future))
        connection.execute(statement.values(seen_at=now))
    return VersionClaims([row for row in rows if row.id not in expired], len(others))


def _has_ended(host: str, pid: int) -> bool:
    """Return whether a process of this machine has ended."""
    # a run with our own number has ended too: a restarted container reuses numbers
    return host == HOST and (pid == os.getpid() or not cli.is_running(pid))


def exclude_claimed(
    key: sa.Column[Any], active: Iterable[AnyRow]
) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions that leave out the rows of these claims."""
    for claim in active:
        yield sa.or_(key < _from_json(key, claim.first_key), key > _from_json(key, claim.last_key))


def count_unfinished(engine: sa.Engine, run: ScoringRun) -> int:
    """Count the claims that were active until now, while this run has nothing in flight.

    The run's own claims are deleted: their rows never reached it, as after a broken connection.
    """
    with write_transaction(engine) as connection:
        others = revoke_expired(connection, run).others
        own_claims = sa.delete(claims).where(claims.c.scoring_run_id == run.id)
        return others + connection.execute(own_claims).rowcount


def renew_lease(engine: sa.Engine, run: ScoringRun) -> None:
    """Note that the run is still at work."""
    with write_transaction(engine) as connection:
        statement = sa.update(scoring_runs).where(scoring_runs.c.id == run.id)
        connection.execute(statement.values(seen_at=database_now(connection)))


def claim_keys(connection: sa.Connection, run: ScoringRun, keys: Sequence[Any]) -> Claim:
    """Claim the range from the first of these sorted keys to the last."""
    first, last = _to_json(keys[0]), _to_json(keys[-1])
    values = {"scoring_run_id": run.id, "first_key": first, "last_key": last}
    statement = sa.insert(claims).values(values).returning(claims.c.id)
    return Claim(connection.execute(statement).scalar_one(), len(keys))


def _to_json(key: Any) -> Any:
    return key.isoformat() if isinstance(key, datetime) else key


def _from_json(column: sa.Column[Any], key: Any) -> Any:
    return datetime.fromisoformat(key) if column.type.python_type is datetime else key


def is_held(connection: sa.Connection, claim: Claim) -> bool:
    """Return whether the claim still exists, and lock it until this transaction ends."""
    query = sa.select(claims.c.id).where(claims.c.id == claim.id).with_for_update()
    return connection.execute(query).one_or_none() is not None


def release(connection: sa.Connection, claim: Claim) -> None:
    connection.execute(sa.delete(claims).where(claims.c.id == claim.id))

"""Several clients on one table: each claims the rows that it is about to score.

A claim is a range of keys that one scoring run has to itself until it has dealt with every row in
it. A run whose process is gone, or that was not heard of for `LEASE_SECONDS`, loses its claims, and
whoever comes next takes them over. A page is stored only while its claim stands.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

import cli
from db.engine import write_transaction
from db.runs import HOST, ScoringRun
from db.tables import claims, database_now, scoring_runs

LEASE_SECONDS = 60.0
CLAIM_LOCK = 7_305_002  # any number of ours: PostgreSQL's advisory lock of who looks for rows


@dataclass
class Claim:
    """A range of keys; `left` are the rows in it that are not dealt with yet."""

    id: int
    rows_left: int


def lock_claims(connection: Connection) -> None:
    """Until this transaction ends nobody else claims; on SQLite, whoever writes is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(CLAIM_LOCK)))


@dataclass(frozen=True)
class VersionClaims:
    """The claims on rows for a version, and how many others had, those included that were gone."""

    active: Sequence[Row]
    others: int


def revoke_expired(connection: Connection, run: ScoringRun) -> VersionClaims:
    """Find the claims on rows for the run's version, and take them away from runs that are gone."""
    found = connection.execute(
        select(claims, scoring_runs.c.host, scoring_runs.c.pid, scoring_runs.c.seen_at)
        .join(scoring_runs, scoring_runs.c.id == claims.c.scoring_run_id)
        .where(scoring_runs.c.model_id == run.model_id)
    ).all()
    others = [c for c in found if c.scoring_run_id != run.id]
    if not others:
        return VersionClaims(found, 0)
    time = database_now(connection)
    oldest = time - timedelta(seconds=LEASE_SECONDS)
    gone = {c.id for c in others if c.seen_at < oldest or _ended(c.host, c.pid)}
    if gone:
        connection.execute(delete(claims).where(claims.c.id.in_(gone)))
    ahead = {c.scoring_run_id for c in others if c.seen_at > time}
    if ahead:  # the clock was set back: they count as seen now, lest their lease never ends
        seen = update(scoring_runs).where(scoring_runs.c.id.in_(ahead))
        connection.execute(seen.values(seen_at=time))
    return VersionClaims([c for c in found if c.id not in gone], len(others))


def _ended(host: str, pid: int) -> bool:
    """Here, where a container started again may have given us the number that it had."""
    return host == HOST and (pid == os.getpid() or not cli.is_running(pid))


def exclude_claimed(key: Column, taken: Iterable[Row]) -> Iterator[ColumnElement[bool]]:
    """Conditions that leave out the rows of these claims."""
    for range in taken:
        yield or_(key < _key(key, range.first_key), key > _key(key, range.last_key))


def count_unfinished(engine: Engine, run: ScoringRun) -> int:
    """How many claims stand, or stood until now, when this run has nothing more in flight.

    Its own, whose rows never reached it as when a connection broke, are dropped.
    """
    with write_transaction(engine) as connection:
        found = revoke_expired(connection, run).others
        own = delete(claims).where(claims.c.scoring_run_id == run.id)
        return found + connection.execute(own).rowcount


def renew_lease(engine: Engine, run: ScoringRun) -> None:
    """Say that the run is still at work."""
    with write_transaction(engine) as connection:
        seen = update(scoring_runs).where(scoring_runs.c.id == run.id)
        connection.execute(seen.values(seen_at=database_now(connection)))


def claim_keys(connection: Connection, run: ScoringRun, keys: Sequence[Any]) -> Claim:
    """Claim the rows with these keys, in their order, and what may come to lie between them."""
    values = {"scoring_run_id": run.id, "first_key": _plain(keys[0]), "last_key": _plain(keys[-1])}
    made = connection.execute(insert(claims).values(values).returning(claims.c.id))
    return Claim(made.scalar_one(), len(keys))


def _plain(key: Any) -> Any:
    """A key as JSON keeps it."""
    return key.isoformat() if isinstance(key, datetime) else key


def _key(column: Column, plain: Any) -> Any:
    return datetime.fromisoformat(plain) if column.type.python_type is datetime else plain


def is_held(connection: Connection, claim: Claim) -> bool:
    """Is it still ours; until this transaction ends nobody takes it away."""
    query = select(claims.c.id).where(claims.c.id == claim.id).with_for_update()
    return connection.execute(query).one_or_none() is not None


def release(connection: Connection, claim: Claim) -> None:
    connection.execute(delete(claims).where(claims.c.id == claim.id))

"""Schema migrations: one step from each schema version to the next.

A step never changes once it is released, so it does not use the definitions in tables.py.
"""

from collections.abc import Callable, Iterable

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext


def run_steps(connection: sa.Connection, versions: Iterable[int]) -> None:
    """Run the steps that start from these schema versions, within the caller's transaction."""
    operations = Operations(MigrationContext.configure(connection))
    for version in versions:
        STEPS[version](operations)


def _add_claims(operations: Operations) -> None:
    """Let several clients share the rows of a table."""
    operations.add_column("scoring_runs", sa.Column("host", sa.String))
    operations.add_column("scoring_runs", sa.Column("pid", sa.Integer))
    operations.add_column("scoring_runs", sa.Column("seen_at", sa.DateTime))
    id_type = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    operations.create_table(
        "claims",
        sa.Column("id", id_type, primary_key=True),
        sa.Column("scoring_run_id", id_type, sa.ForeignKey("scoring_runs.id"), nullable=False),
        sa.Column("first_key", sa.JSON, nullable=False),
        sa.Column("last_key", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )


STEPS: dict[int, Callable[[Operations], None]] = {1: _add_claims}  # keyed by the start version

"""How the schema came to be: a step from each one to the next.

Steps are history. They say themselves what they do, as tables.py goes on to change.
"""

from collections.abc import Callable, Iterable

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Integer,
    String,
)


def run_steps(connection: Connection, schemas: Iterable[int]) -> None:
    """Take, within the caller's transaction, the steps that start from these schemas."""
    operations = Operations(MigrationContext.configure(connection))
    for schema in schemas:
        STEPS[schema](operations)


def _claims(operations: Operations) -> None:
    """Clients divide the work on a table."""
    for column in (Column("host", String), Column("pid", Integer), Column("seen_at", DateTime)):
        operations.add_column("scoring_runs", column)
    key = BigInteger().with_variant(Integer, "sqlite")
    operations.create_table(
        "claims",
        Column("id", key, primary_key=True),
        Column("scoring_run_id", key, ForeignKey("scoring_runs.id"), nullable=False),
        Column("first_key", JSON, nullable=False),
        Column("last_key", JSON, nullable=False),
        sqlite_autoincrement=True,
    )


STEPS: dict[int, Callable[[Operations], None]] = {1: _claims}  # by the schema they start from

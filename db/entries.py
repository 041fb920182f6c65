"""Store and read the results of rows entered in the form; they have no row key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, select

from db.engine import read_transaction, write_transaction
from db.table_specs import ScoringSpec
from db.tables import model_versions, utc_now

FORM_SOURCE = "form"  # the `source` of a result from the form


@dataclass(frozen=True)
class FormEntry:
    """The result of a row that was entered in the form; `values` maps feature names to values."""

    id: int
    model_id: str
    when: datetime  # in UTC; rows that were entered together have the same time
    probability: float
    word: str
    threshold: float
    values: Mapping[str, Any]


def store_entries(
    engine: Engine,
    scoring: ScoringSpec,
    model_id: str,
    columns: Mapping[str, Sequence[Any]],
    probabilities: Sequence[float],
    outcome_labels: Sequence[str],
) -> list[int]:
    """Store the results of rows in one transaction, and return their ids."""
    results = scoring.results
    constants = {"model_id": model_id, "process_time": utc_now(), "source": FORM_SOURCE}
    constants |= {"trained_on": False}
    rows = [
        constants
        | {column: columns[name][row] for name, column in results.value_columns.items()}
        | {results.probability_column: probability, results.outcome_column: label}
        for row, (probability, label) in enumerate(zip(probabilities, outcome_labels, strict=True))
    ]
    statement = insert(results.table).returning(results.table.c.id, sort_by_parameter_order=True)
    with write_transaction(engine) as connection:
        return list(connection.scalars(statement, rows))


def read_entries(
    engine: Engine, scoring: ScoringSpec, ids: Sequence[int] | None = None, most: int | None = None
) -> list[FormEntry]:
    """Return the results with these ids, or all results from the form, the latest first."""
    results, table = scoring.results, scoring.results.table
    query = (
        select(
            table.c.id,
            table.c.model_id,
            table.c.process_time,
            table.c[results.probability_column],
            table.c[results.outcome_column],
            model_versions.c.decision_threshold,
            *(table.c[column] for column in results.value_columns.values()),
        )
        .join(model_versions, model_versions.c.model_id == table.c.model_id)
        .where(table.c.source == FORM_SOURCE)
        .order_by(table.c.id.desc())
        .limit(most)
    )
    if ids is not None:
        query = query.where(table.c.id.in_(ids))
    with read_transaction(engine) as connection:
        rows = connection.execute(query).all()
    names = list(results.value_columns)
    return [
        FormEntry(
            *(entry_id, model_id, when, probability, label, threshold),
            dict(zip(names, values, strict=True)),
        )
        for entry_id, model_id, when, probability, label, threshold, *values in rows
    ]

"""Rows that were entered by hand, kept among a problem's results: they have no key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, select

from db.engine import read_transaction, write_transaction
from db.table_specs import ScoringSpec
from db.tables import model_versions, utc_now

FORM_SOURCE = "form"  # where a scored row came from


@dataclass(frozen=True)
class FormEntry:
    """The result of a row that was entered by hand; its values by the features' names."""

    id: int
    model_id: str
    when: datetime  # UTC, the same for all rows entered at once
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
    words: Sequence[str],
) -> list[int]:
    """Store the scores of rows that were entered by hand, all at once; returns their ids."""
    results = scoring.results
    same = {
        "model_id": model_id,
        "process_time": utc_now(),
        "source": FORM_SOURCE,
        "trained_on": False,
    }
    rows = [
        same
        | {column: columns[name][at] for name, column in results.value_columns.items()}
        | {results.probability_column: probability, results.outcome_column: word}
        for at, (probability, word) in enumerate(zip(probabilities, words, strict=True))
    ]
    stored = insert(results.table).returning(results.table.c.id, sort_by_parameter_order=True)
    with write_transaction(engine) as connection:
        return list(connection.scalars(stored, rows))


def read_entries(
    engine: Engine, scoring: ScoringSpec, ids: Sequence[int] | None = None, most: int | None = None
) -> list[FormEntry]:
    """Results of rows that were entered by hand: all or these, the latest first."""
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
        found = connection.execute(query).all()
    names = list(results.value_columns)
    return [
        FormEntry(
            number,
            model_id,
            when,
            probability,
            word,
            threshold,
            dict(zip(names, values, strict=True)),
        )
        for number, model_id, when, probability, word, threshold, *values in found
    ]

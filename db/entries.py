"""Rows that were entered by hand, kept among a problem's results: they have no key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, select

from db.engine import reading, writing
from db.table_specs import Scoring
from db.tables import model_versions, utc_now

FORM = "form"  # where a scored row came from


@dataclass(frozen=True)
class Entered:
    """The result of a row that was entered by hand; its values by the features' names."""

    id: int
    model_id: str
    when: datetime  # UTC, the same for all rows entered at once
    probability: float
    word: str
    threshold: float
    values: Mapping[str, Any]


def store(
    engine: Engine,
    scoring: Scoring,
    model_id: str,
    columns: Mapping[str, Sequence[Any]],
    probabilities: Sequence[float],
    words: Sequence[str],
) -> list[int]:
    """Store the scores of rows that were entered by hand, all at once; returns their ids."""
    results = scoring.results
    same = {"model_id": model_id, "process_time": utc_now(), "source": FORM, "trained_on": False}
    rows = [
        same
        | {column: columns[name][at] for name, column in results.values.items()}
        | {results.probability: probability, results.word: word}
        for at, (probability, word) in enumerate(zip(probabilities, words, strict=True))
    ]
    stored = insert(results.table).returning(results.table.c.id, sort_by_parameter_order=True)
    with writing(engine) as connection:
        return list(connection.scalars(stored, rows))


def read(
    engine: Engine, scoring: Scoring, ids: Sequence[int] | None = None, most: int | None = None
) -> list[Entered]:
    """Results of rows that were entered by hand: all or these, the latest first."""
    results, table = scoring.results, scoring.results.table
    query = (
        select(
            table.c.id,
            table.c.model_id,
            table.c.process_time,
            table.c[results.probability],
            table.c[results.word],
            model_versions.c.decision_threshold,
            *(table.c[column] for column in results.values.values()),
        )
        .join(model_versions, model_versions.c.model_id == table.c.model_id)
        .where(table.c.source == FORM)
        .order_by(table.c.id.desc())
        .limit(most)
    )
    if ids is not None:
        query = query.where(table.c.id.in_(ids))
    with reading(engine) as connection:
        found = connection.execute(query).all()
    names = list(results.values)
    return [
        Entered(
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

"""Check that the score of a row does not depend on its batch or on how a null is written.

A text column reaches the model as None if it is null in every row of a request, and as NaN if it is
null in some rows; in training, a null text is NULL_TEXT. A pipeline with, for example, an imputer
for texts scores these three differently, and must not become a model version.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from cli import one_line
from problems import Problem
from training.dataset import NULL_TEXT, DataError

TOLERANCE = 1e-9  # the last bits of a sum depend on the size of the batch
UNSEEN_TEXT = "a text that no row has"


def check_batch_independence(problem: Problem, name: str, model: Any, rows: pd.DataFrame) -> None:
    """Check that a fitted pipeline scores a row the same alone and in any batch.

    `rows` holds the features of a few rows to test with; texts have dtype object.

    Raises:
        DataError: the score depends on the batch, a row with a null or an unseen text cannot be
            scored, or the probabilities of a row do not add up to 1.
    """
    advice = (
        "impute numbers, and encode texts with handle_unknown and explicit categories and without "
        "an imputer, as problems/pipelines.py does"
    )
    for null_columns, row in _rows_with_nulls(problem, rows):
        batch = pd.concat([rows, row, rows])
        try:
            alone = (row, _write_nulls(problem, row, np.nan))
            batches = (batch, *(_write_nulls(problem, batch, null) for null in (np.nan, NULL_TEXT)))
            scores = [model.predict_proba(sent)[0, 1] for sent in alone]
            scores += [model.predict_proba(sent)[len(rows), 1] for sent in batches]
            model.predict_proba(_write_nulls(problem, row, UNSEEN_TEXT))
        except Exception as error:
            raise DataError(
                f"Candidate {name} cannot score a row with nulls in {null_columns} or an unseen "
                f"text ({one_line(str(error), 200)}): {advice}."
            ) from error
        if max(scores) - min(scores) > TOLERANCE:
            raise DataError(
                f"Candidate {name} scores the same row from {min(scores):.4f} to {max(scores):.4f} "
                f"with nulls in {null_columns}, depending on its batch and on how nulls are "
                f"written: {advice}."
            )
    if abs(model.predict_proba(rows).sum(axis=1, dtype=float) - 1).max() > TOLERANCE:
        raise DataError(
            f"The two probabilities that candidate {name} predicts for a row do not add up to 1: "
            "make its steps compute in float64, not in float32."
        )


def _rows_with_nulls(problem: Problem, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The first row without nulls, with a null in each column, and with nulls in all columns."""
    for names in ([], *([name] for name in problem.feature_names), problem.feature_names):
        row = rows.iloc[[0]].astype(object)
        row[names] = None
        yield ", ".join(names) or "no column", row.astype(dict.fromkeys(problem.numbers, "float64"))


def _write_nulls(problem: Problem, rows: pd.DataFrame, null: Any) -> pd.DataFrame:
    """The rows with their null texts replaced by another value."""
    texts = rows[problem.texts]
    return rows.assign(**texts.where(texts.notna(), null).astype(object))

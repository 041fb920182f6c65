"""A row's score may depend on nothing but the row: not on its batch, nor on how a null is written.

A text column that is null throughout a request reaches the model as None, one that is null in
places as NaN, and in training a null is NULL_TEXT. A pipeline with, say, an imputer for texts
scores the three differently. Such a candidate is found here before it becomes a version.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from problems import Problem
from training.dataset import NULL_TEXT, DataError

TOLERANCE = 1e-9  # a sum's last bits differ with the size of a batch
UNSEEN = "a text that no row has"


def check_batch_independence(
    problem: Problem, name: str, estimator: Any, rows: pd.DataFrame
) -> None:
    """Make sure that a fitted pipeline scores a row the same alone and in any batch.

    `rows` are a few to try it with, features only, the texts as objects.

    Raises:
        DataError: it does not, or cannot score a row with a null or with a text never seen, or
            its probabilities are too inexact to add up to 1.
    """
    advice = (
        "numbers need an imputer, texts an encoder with handle_unknown and explicit categories and "
        "no imputer before it, as in problems/pipelines.py"
    )
    for what, row in _rows_with_nulls(problem, rows):
        batch = pd.concat([rows, row, rows])
        try:
            answers = [
                _probability(estimator, as_sent)[at]
                for as_sent, at in (
                    (row, 0),
                    (batch, len(rows)),
                    (_texts(problem, row, np.nan), 0),
                    (_texts(problem, batch, np.nan), len(rows)),
                    (_texts(problem, batch, NULL_TEXT), len(rows)),
                )
            ]
            _probability(estimator, _texts(problem, row, UNSEEN))
        except Exception as error:
            reason = " ".join(str(error).split())[:200].rstrip(".")
            raise DataError(
                f"{name} cannot score a row with a null {what} or with a text that it has not seen "
                f"({reason}): {advice}."
            ) from error
        if max(answers) - min(answers) > TOLERANCE:
            raise DataError(
                f"{name} scores the same row from {min(answers):.4f} to {max(answers):.4f} when "
                f"{what} is null, depending on its batch and on how the null is written: {advice}."
            )
    if abs(estimator.predict_proba(rows).sum(axis=1, dtype=float) - 1).max() > TOLERANCE:
        raise DataError(
            f"{name} answers pairs of probabilities that do not add up to 1, and score_client.py "
            "would refuse them: have its steps compute in float64, not in float32."
        )


def _rows_with_nulls(problem: Problem, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The first row with each column null by itself, and one with all of them null."""
    for names in ([], *([name] for name in problem.feature_names), problem.feature_names):
        row = rows.iloc[[0]].astype(object)
        row[names] = None
        yield ", ".join(names) or "nothing", row.astype(dict.fromkeys(problem.numbers, "float64"))


def _texts(problem: Problem, rows: pd.DataFrame, null: Any) -> pd.DataFrame:
    """The rows with their null texts written in another way."""
    texts = rows[problem.texts]
    return rows.assign(**texts.where(texts.notna(), null).astype(object))


def _probability(estimator: Any, rows: pd.DataFrame) -> np.ndarray:
    return estimator.predict_proba(rows)[:, 1]

"""A pipeline is refused if its scores depend on the batch or on how a null is written."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

import problems
from training import batch_independence
from training.dataset import NULL_TEXT, DataError

PROBLEM = problems.load()
TEXTS, NUMBERS = PROBLEM.texts, PROBLEM.numbers


def training_rows() -> tuple[pd.DataFrame, np.ndarray]:
    """Rows whose label depends on whether a text is null."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.random(400) for name in NUMBERS})
    for name in TEXTS:
        frame[name] = rng.choice(["a", "b", NULL_TEXT], 400)
    missing = (frame[TEXTS[0]] == NULL_TEXT).to_numpy()
    label = (rng.random(400) < 0.3 + 0.4 * missing).astype(int)
    return frame[PROBLEM.feature_names].astype(dict.fromkeys(TEXTS, object)), label


def check_transformers(name: str, texts: Any, numbers: Any) -> None:
    """Fit a pipeline with these transformers, and check it with rows without nulls."""
    columns = ColumnTransformer([("n", numbers, NUMBERS), ("t", texts, TEXTS)])
    rows, label = training_rows()
    fitted = Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(rows, label)
    without_nulls = rows[(rows[TEXTS] != NULL_TEXT).all(axis=1)][:5]
    batch_independence.check_batch_independence(PROBLEM, name, fitted, without_nulls)


CATEGORIES = [["a", "b"]] * len(TEXTS)
GOOD: dict[str, Callable[[], Any]] = {
    "one-hot": lambda: OneHotEncoder(categories=CATEGORIES, handle_unknown="ignore"),
    "codes": lambda: OrdinalEncoder(
        categories=CATEGORIES, handle_unknown="use_encoded_value", unknown_value=-1
    ),
}
BAD: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "NULL_TEXT as a category": (
        lambda: OneHotEncoder(handle_unknown="ignore"),
        SimpleImputer(),
        "scores the same row from 0",
    ),
    "an imputer for texts": (
        lambda: Pipeline(
            [
                ("impute", SimpleImputer(strategy="constant", fill_value="b")),
                ("encode", OneHotEncoder(categories=CATEGORIES, handle_unknown="ignore")),
            ]
        ),
        SimpleImputer(),
        "scores the same row from 0",
    ),
    "a model that accepts no nulls": (
        lambda: OneHotEncoder(categories=CATEGORIES, handle_unknown="ignore"),
        "passthrough",
        "cannot score a row with nulls in requested or .*contains NaN",
    ),
    "no handling of unseen texts": (
        lambda: OneHotEncoder(),
        SimpleImputer(),
        "cannot score a row with nulls in",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_pipeline_that_scores_a_row_the_same_in_any_batch_is_accepted(case: str) -> None:
    check_transformers(case, GOOD[case](), SimpleImputer())


@pytest.mark.parametrize("case", BAD)
def test_a_pipeline_whose_scores_depend_on_the_batch_is_refused(case: str) -> None:
    texts, numbers, message = BAD[case]
    with pytest.raises(DataError, match=message):
        check_transformers(case, texts(), numbers)


def test_a_pipeline_that_computes_in_float32_is_refused() -> None:
    halves = FunctionTransformer(np.float32, feature_names_out="one-to-one")
    texts = OneHotEncoder(categories=CATEGORIES, handle_unknown="ignore", dtype=np.float32)
    with pytest.raises(DataError, match="float64, not in float32"):
        check_transformers("float32", texts, make_pipeline(SimpleImputer(), halves))

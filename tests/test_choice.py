"""How candidates are judged and chosen: intervals, ties, and rows that must score alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import problems
from modeling import independence
from modeling.choice import Standing, ranked
from modeling.dataset import NULL_TEXT, DataError
from modeling.evaluate import spread


def names(*standings: Standing) -> list[str]:
    return [standing.name for standing in ranked(standings)]


def test_the_best_by_log_loss_is_chosen() -> None:
    slow, fast = Standing("slow", 0.10, 0.001, 28.0), Standing("fast", 0.12, 0.001, 5.0)
    assert names(fast, slow) == ["slow", "fast"]


def test_one_as_good_that_answers_in_less_than_half_the_time_goes_first() -> None:
    slow, fast = Standing("slow", 0.10, 0.03, 28.0), Standing("fast", 0.12, 0.001, 5.0)
    assert names(slow, fast) == ["fast", "slow"]


def test_a_little_more_time_decides_nothing() -> None:
    better, quicker = Standing("better", 0.10, 0.03, 9.9), Standing("quicker", 0.12, 0.03, 5.0)
    assert names(quicker, better) == ["better", "quicker"]


def test_the_fastest_of_all_does_not_go_first_if_it_is_worse() -> None:
    best, as_good = Standing("best", 0.10, 0.01, 28.0), Standing("as good", 0.105, 0.01, 9.0)
    worse = Standing("worse", 0.2, 0.01, 1.0)
    assert names(worse, best, as_good) == ["as good", "best", "worse"]


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Repeated cross-validation of a mean, whose truth is known, over many made-up tables."""
    covered, naive = 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = rng.exponential(size=200)
        errors = []
        for _ in range(5):
            for fold in np.array_split(rng.permutation(200), 5):
                rest = np.delete(values, fold)
                errors.append(np.mean((values[fold] - rest.mean()) ** 2))
        found = spread(np.array(errors), folds=5)
        truth = 1 + 1 / 160  # the variance, and what estimating the mean from 160 rows adds
        covered += found.low < truth < found.high
        half = 1.96 * found.std / np.sqrt(len(errors))
        naive += abs(found.mean - truth) < half
    assert covered >= 180
    assert naive < 130  # which is why the correction is there


PROBLEM = problems.load()
TEXTS, NUMBERS = PROBLEM.texts, PROBLEM.numbers


def training_rows() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.random(400) for name in NUMBERS})
    for name in TEXTS:
        frame[name] = rng.choice(["a", "b", NULL_TEXT], 400)
    missing = (frame[TEXTS[0]] == NULL_TEXT).to_numpy()
    label = (rng.random(400) < 0.3 + 0.4 * missing).astype(int)
    return frame[PROBLEM.feature_names].astype(dict.fromkeys(TEXTS, object)), label


def fitted(texts: Any, numbers: Any) -> tuple[Pipeline, pd.DataFrame]:
    columns = ColumnTransformer([("n", numbers, NUMBERS), ("t", texts, TEXTS)])
    rows, label = training_rows()
    return Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(rows, label), rows


GIVEN = [["a", "b"]] * len(TEXTS)
GOOD: dict[str, Callable[[], Any]] = {
    "one-hot": lambda: OneHotEncoder(categories=GIVEN, handle_unknown="ignore"),
    "codes": lambda: OrdinalEncoder(
        categories=GIVEN, handle_unknown="use_encoded_value", unknown_value=-1
    ),
}
BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "the word for null as a category": (
        lambda: OneHotEncoder(handle_unknown="ignore"),
        "scores the same row from 0",
    ),
    "an imputer for texts": (
        lambda: Pipeline(
            [
                ("impute", SimpleImputer(strategy="constant", fill_value="b")),
                ("encode", OneHotEncoder(categories=GIVEN, handle_unknown="ignore")),
            ]
        ),
        "scores the same row from 0",
    ),
    "a model that takes no null": (
        lambda: OneHotEncoder(categories=GIVEN, handle_unknown="ignore"),
        "cannot score a row with a null requested or .*contains NaN",
    ),
    "no handling of the unseen": (
        lambda: OneHotEncoder(),
        "cannot score a row with a null",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_pipeline_that_scores_a_row_alike_in_any_batch_is_accepted(case: str) -> None:
    pipeline, rows = fitted(GOOD[case](), SimpleImputer())
    independence.require(PROBLEM, case, pipeline, rows[(rows[TEXTS] != NULL_TEXT).all(axis=1)][:5])


@pytest.mark.parametrize("case", BAD)
def test_a_pipeline_whose_scores_depend_on_the_batch_is_refused(case: str) -> None:
    texts, said = BAD[case]
    pipeline, rows = fitted(texts(), "passthrough" if "takes no null" in case else SimpleImputer())
    with pytest.raises(DataError, match=said):
        independence.require(
            PROBLEM, case, pipeline, rows[(rows[TEXTS] != NULL_TEXT).all(axis=1)][:5]
        )

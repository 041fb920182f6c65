"""Candidates for offer clicks: two logistic regressions, and boosted trees as a benchmark model.

The effect of the rate on clicks has steps and spikes, and depends on the amount and the applicant.
Trees find these steps, unlike straight lines. Trees in which each path splits at most two columns
find nearly all of them, and their log odds can still be read as one table per pair of columns.
"""

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from problems.pipelines import (
    Categories,
    boosted_pairs,
    medians,
    numbers_and_codes,
    ordinal_codes,
    pipeline,
)
from problems.spec import Candidate

NUMBERS = ["requested", "annual_income", "apr"]


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    return [_plain(categories, seed), _engineered(categories, seed), _trees(categories, seed)]


def _plain(categories: Categories, seed: int) -> Candidate:
    numbers = Pipeline([("impute", medians()), ("scale", StandardScaler())])
    # class weights would distort the probabilities; newton-cholesky suits many rows and few columns
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8, random_state=seed)
    return Candidate(
        name="logistic_plain",
        description="the former model: the columns as they are, categories as numbers",
        pipeline=pipeline(NUMBERS, numbers, categories, model, ordinal_codes(categories)),
        grid={"model__C": [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 1.0, 10.0, 100.0]},
    )


def _engineered(categories: Categories, seed: int) -> Candidate:
    # few trees, because each one slows the pipeline down; the high learning rate makes up for that
    trees = HistGradientBoostingClassifier(
        max_iter=30,
        learning_rate=0.3,
        l2_regularization=15.0,
        max_features=0.8,
        early_stopping=False,
        random_state=seed,
    )
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8, random_state=seed)
    return Candidate(
        name="logistic_engineered",
        description="a logistic regression on the log odds of boosted trees, in which each path "
        "splits at most two columns",
        pipeline=boosted_pairs(NUMBERS, trees, categories, model),
        grid={"trees__pairs__max_iter": [15, 30], "model__C": [0.001, 0.003, 0.01, 0.1]},
    )


def _trees(categories: Categories, seed: int) -> Candidate:
    columns = numbers_and_codes(NUMBERS, categories)
    trees = HistGradientBoostingClassifier(
        learning_rate=0.15,
        min_samples_leaf=40,
        max_features=0.8,
        early_stopping=False,
        random_state=seed,
    )
    return Candidate(
        name="boosted_trees",
        description="gradient-boosted trees: a benchmark model that shows what is left to learn",
        pipeline=Pipeline([("columns", columns), ("model", trees)]),
        grid={"model__l2_regularization": [10.0, 30.0], "model__max_iter": [40, 80]},
        is_benchmark=True,
    )

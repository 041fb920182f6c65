"""The two logistic regressions for offer clicks: plain columns, and engineered ones."""

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, SplineTransformer, StandardScaler

from problems.pipelines import Categories, logarithms, pipeline
from problems.spec import Candidate

NUMBERS = ["requested", "annual_income", "apr"]


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    return [_plain(categories, seed), _engineered(categories, seed)]


def _plain(categories: Categories, seed: int) -> Candidate:
    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    codes = OrdinalEncoder(
        categories=[list(texts) for texts in categories.values()],
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        dtype=np.float64,
    )
    return Candidate(
        name="logistic_plain",
        description="the columns as they are, categories as numbers: the model this replaces",
        pipeline=pipeline(NUMBERS, numbers, categories, _model(seed), encode=codes),
        grid={"model__C": [0.01, 0.1, 1.0, 10.0, 100.0]},
    )


def _engineered(categories: Categories, seed: int) -> Candidate:
    splines = SplineTransformer(knots="quantile", extrapolation="constant")
    numbers = logarithms(splines, mark_missing=True)
    return Candidate(
        name="logistic_engineered",
        description="splines of the logarithms of amounts and rate, one column a category",
        pipeline=pipeline(NUMBERS, numbers, categories, _model(seed)),
        grid={
            "columns__numbers__last__n_knots": [5, 10, 16],
            "model__C": [0.1, 1.0, 10.0],
        },
    )


def _model(seed: int) -> LogisticRegression:
    # no class weights: they would spoil the probabilities; rows are many and columns few, which
    # newton-cholesky is made for
    return LogisticRegression(solver="newton-cholesky", max_iter=200, random_state=seed)

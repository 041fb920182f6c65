"""The two logistic regressions for offer clicks: plain columns, and engineered ones.

Every pipeline scores a row the same alone and in any batch, with nulls as None or NaN: text
columns meet no imputer, and their categories are given, so that a null and a text never seen are
treated alike.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
)

from problems.spec import Candidate

NUMBERS = ["requested", "annual_income", "apr"]
TEXTS = ["loan_purpose", "credit"]


def candidates(categories: Mapping[str, Sequence[str]], seed: int) -> list[Candidate]:
    texts = [list(categories[name]) for name in TEXTS]
    return [_plain(texts, seed), _engineered(texts, seed)]


def _plain(texts: list[list[str]], seed: int) -> Candidate:
    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    codes = OrdinalEncoder(
        categories=texts, handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float64
    )
    return Candidate(
        name="logistic_plain",
        description="the columns as they are, categories as numbers: the model this replaces",
        pipeline=_pipeline(numbers, codes, seed),
        grid={"model__C": [0.01, 0.1, 1.0, 10.0, 100.0]},
    )


def _engineered(texts: list[list[str]], seed: int) -> Candidate:
    numbers = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", add_indicator=True)),
            ("log", FunctionTransformer(np.arcsinh, feature_names_out="one-to-one")),
            ("spline", SplineTransformer(knots="quantile", extrapolation="constant")),
        ]
    )
    one_hot = OneHotEncoder(categories=texts, handle_unknown="ignore", sparse_output=False)
    return Candidate(
        name="logistic_engineered",
        description="splines of the logarithms of amounts and rate, one column a category",
        pipeline=_pipeline(numbers, one_hot, seed),
        grid={
            "columns__numbers__spline__n_knots": [5, 10, 16],
            "model__C": [0.1, 1.0, 10.0],
        },
    )


def _pipeline(numbers: Pipeline, texts: OneHotEncoder | OrdinalEncoder, seed: int) -> Pipeline:
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", texts, TEXTS)])
    # no class weights: they would spoil the probabilities; rows are many and columns few, which
    # newton-cholesky is made for
    model = LogisticRegression(solver="newton-cholesky", max_iter=200, random_state=seed)
    return Pipeline([("columns", columns), ("model", model)])

"""Parts of candidates' pipelines that score a row the same alone and in any batch.

Text columns meet no imputer, and the encoder is given their categories, so that a null (None or
NaN), the word that stands for it in training, and a text never seen are all the same row of zeros.
Only candidates.py files import this: it loads scikit-learn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)

Categories = Mapping[str, Sequence[str]]  # of each text column


def pipeline(
    numbers: Sequence[str],
    number_transformer: Any,
    categories: Categories,
    model: Any,
    text_encoder: Any = None,
) -> Pipeline:
    """The numbers through `prepare`, the texts one-hot (or through `encode`), then the model.

    Grids reach into it by `columns__numbers__…`, `columns__texts__…` and `model__…`.
    """
    texts = one_hot(categories) if text_encoder is None else text_encoder
    columns = ColumnTransformer(
        [("numbers", number_transformer, list(numbers)), ("texts", texts, list(categories))]
    )
    return Pipeline([("columns", columns), ("model", model)])


def binned_pairs(
    numbers: Sequence[str], fine: int, coarse: int, categories: Categories, model: Any
) -> Pipeline:
    """Numbers in bins, `fine` and `coarse` ones, texts one-hot, and all their products by two.

    Bins follow any shape: a price that lenders like to ask has one of its own. Products let the
    effect of one column depend on another, and coarse bins have enough rows for that where fine
    ones have not. Grids reach into it by `columns__fine__bins__n_bins` and `model__…`.
    """
    columns = ColumnTransformer(
        [
            ("fine", bins(fine), list(numbers)),
            ("coarse", bins(coarse), list(numbers)),
            ("missing", MissingIndicator(features="all", sparse=True), list(numbers)),
            ("texts", one_hot(categories, sparse=True), list(categories)),
        ],
        sparse_threshold=1.0,
    )
    products = PolynomialFeatures(degree=2, interaction_only=True, include_bias=False)
    return Pipeline([("columns", columns), ("pairs", products), ("model", model)])


def bins(count: int) -> Pipeline:
    """Medians for what is missing, then a column for each of `count` bins of equally many rows."""
    discretizer = KBinsDiscretizer(
        count,
        encode="onehot",
        strategy="quantile",
        quantile_method="averaged_inverted_cdf",
        subsample=None,  # all rows: where a bin ends decides what it can tell
    )
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("bins", discretizer),
        ]
    )


def one_hot(categories: Categories, *, sparse: bool = False) -> OneHotEncoder:
    """A column for each category, all zero for a null and for a text never seen."""
    return OneHotEncoder(
        categories=_given(categories), handle_unknown="ignore", sparse_output=sparse
    )


def ordinal_codes(categories: Categories) -> OrdinalEncoder:
    """A number for each category, -1 for a null and for a text never seen."""
    return OrdinalEncoder(
        categories=_given(categories),
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        dtype=np.float64,
    )


def scaled_logarithms() -> Pipeline:
    """Medians for what is missing, then logarithms (arcsinh: of 0 and less too), then scaled."""
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("log", FunctionTransformer(np.arcsinh, feature_names_out="one-to-one")),
            ("scale", StandardScaler()),
        ]
    )


def _given(categories: Categories) -> list[list[str]]:
    return [list(texts) for texts in categories.values()]

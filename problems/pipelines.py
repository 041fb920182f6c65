"""Building blocks for the pipelines of candidates; they score a row the same in any batch.

Text columns have no imputer, and their encoder gets explicit categories. A null (None or NaN), the
text that replaces it in training, and an unseen text are therefore all encoded the same. It
loads scikit-learn, so only candidates.py files and benchmarks import it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import logit
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
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

Categories = Mapping[str, Sequence[str]]  # the categories of each text column


def pipeline(
    numbers: Sequence[str],
    number_transformer: Any,
    categories: Categories,
    model: Any,
    text_encoder: Any = None,
) -> Pipeline:
    """A model on transformed numbers and encoded texts (default: one-hot).

    Grid parameters start with `columns__numbers__`, `columns__texts__` or `model__`.
    """
    texts = one_hot(categories) if text_encoder is None else text_encoder
    columns = ColumnTransformer(
        [("numbers", number_transformer, list(numbers)), ("texts", texts, list(categories))]
    )
    return Pipeline([("columns", columns), ("model", model)])


def binned_pairs(
    numbers: Sequence[str], fine: int, coarse: int, categories: Categories, model: Any
) -> Pipeline:
    """A model on one-hot columns and their pairwise products: binned numbers, encoded texts.

    Fine bins follow any shape of an effect, even a spike at a common price. Products let the effect
    of one column depend on another; coarse bins have enough rows for that. Grid parameters include
    `columns__fine__bins__n_bins`, and those of the model start with `model__`.
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


def boosted_pairs(
    numbers: Sequence[str],
    trees: HistGradientBoostingClassifier,
    categories: Categories,
    model: Any,
) -> Pipeline:
    """A model on the log odds of boosted trees, in which each path splits at most two columns.

    The log odds are therefore a sum of functions of one or two columns, all piecewise constant
    (Lou et al., Accurate intelligible models with pairwise interactions, KDD 2013). The trees have
    seen the training rows, so their log odds may be badly calibrated; a logistic regression
    corrects that if `model__C` is searched. Grid parameters of the trees start with
    `trees__pairs__`.
    """
    pairs = clone(trees).set_params(interaction_cst="pairwise")
    return Pipeline(
        [
            ("columns", numbers_and_codes(numbers, categories)),
            # it has one member: scikit-learn's only way to use a classifier as a transformer
            ("trees", VotingClassifier([("pairs", pairs)], voting="soft")),
            ("log_odds", FunctionTransformer(logit)),
            ("model", model),
        ]
    )


def numbers_and_codes(numbers: Sequence[str], categories: Categories) -> ColumnTransformer:
    """Columns for trees: numbers, and codes of texts; -1 stands for a null and an unseen text."""
    # the trees cannot handle a column with only nulls; -1 is no valid amount
    nulls = SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True)
    return ColumnTransformer(
        [("numbers", nulls, list(numbers)), ("texts", ordinal_codes(categories), list(categories))]
    )


def bins(count: int) -> Pipeline:
    """Impute medians, then encode `count` bins with equal numbers of rows, one column per bin."""
    discretizer = KBinsDiscretizer(
        count,
        encode="onehot",
        strategy="quantile",
        quantile_method="averaged_inverted_cdf",
        subsample=None,  # use all rows: the edges of the bins matter
    )
    return Pipeline([("impute", medians()), ("bins", discretizer)])


def medians() -> SimpleImputer:
    """Impute medians, also in a column that has only nulls."""
    return SimpleImputer(strategy="median", keep_empty_features=True)


def one_hot(categories: Categories, *, sparse: bool = False) -> OneHotEncoder:
    """One column per category; all are 0 for a null and for an unseen text."""
    known = [list(texts) for texts in categories.values()]
    return OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=sparse)


def ordinal_codes(categories: Categories) -> OrdinalEncoder:
    """One number per category; -1 for a null and for an unseen text."""
    return OrdinalEncoder(
        # unknown values are slow to encode; with NaN in the list, nulls are known
        categories=[[*texts, np.nan] for texts in categories.values()],
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=-1,
        dtype=np.float64,
    )


def scaled_logarithms() -> Pipeline:
    """Impute medians, take logarithms (arcsinh, which accepts 0 and less), and standardize."""
    logarithm = FunctionTransformer(np.arcsinh, feature_names_out="one-to-one")
    return Pipeline([("impute", medians()), ("log", logarithm), ("scale", StandardScaler())])

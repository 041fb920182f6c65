"""Parts of candidates' pipelines that score a row the same alone and in any batch.

Text columns meet no imputer, and the encoder is given their categories, so that a null (None or
NaN), the word that stands for it in training, and a text never seen are all the same row of zeros.
Only candidates.py files import this: it loads scikit-learn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

Categories = Mapping[str, Sequence[str]]  # of each text column


def pipeline(
    numbers: Sequence[str], prepare: Any, categories: Categories, model: Any, encode: Any = None
) -> Pipeline:
    """The numbers through `prepare`, the texts one-hot (or through `encode`), then the model.

    Grids reach into it by `columns__numbers__…`, `columns__texts__…` and `model__…`.
    """
    texts = one_hot(categories) if encode is None else encode
    columns = ColumnTransformer(
        [("numbers", prepare, list(numbers)), ("texts", texts, list(categories))]
    )
    return Pipeline([("columns", columns), ("model", model)])


def one_hot(categories: Categories) -> OneHotEncoder:
    """A column for each category, all zero for a null and for a text never seen."""
    given = [list(texts) for texts in categories.values()]
    return OneHotEncoder(categories=given, handle_unknown="ignore", sparse_output=False)


def logarithms(last: Any = None, *, mark_missing: bool = False) -> Pipeline:
    """Medians for what is missing, then logarithms (arcsinh: of 0 and less too), then scaled.

    `last` takes the place of the scaling; `mark_missing` adds a column for each that has nulls.
    """
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", add_indicator=mark_missing)),
            ("log", FunctionTransformer(np.arcsinh, feature_names_out="one-to-one")),
            ("last", StandardScaler() if last is None else last),
        ]
    )

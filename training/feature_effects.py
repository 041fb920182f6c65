"""What a fitted pipeline has learned, in names that a person understands."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import KBinsDiscretizer

from training.dataset import Rows

LOOKED_AT, PERMUTATIONS = 20_000, 5  # rows, which is plenty for a mean


def permutation_importance_table(estimator: Any, rows: Rows, seed: int) -> pd.DataFrame:
    """How much the log loss grows when a column's values are dealt out anew, the most first.

    Of up to LOOKED_AT held-out rows. Columns `importance` and `std` (over PERMUTATIONS), index
    the features (Breiman, Random forests, Machine Learning 45 (2001), 5-32).
    """
    some = rows.sample(LOOKED_AT, seed)
    found = permutation_importance(
        estimator,
        some.features,
        some.label,
        scoring="neg_log_loss",
        n_repeats=PERMUTATIONS,
        random_state=seed,
    )
    columns = {"importance": found.importances_mean, "std": found.importances_std}
    return pd.DataFrame(columns, index=some.features.columns).sort_values("importance")[::-1]


def coefficient_table(estimator: Any, rows: Rows) -> pd.DataFrame | None:
    """A linear model's coefficients, those that move the log odds of these rows most first.

    Columns `coefficient` and `weight`, the standard deviation of what it adds to the log odds;
    index the columns' names. Of up to LOOKED_AT rows. None for a model that has no coefficients.
    """
    if not isinstance(estimator, Pipeline) or not hasattr(estimator[-1], "coef_"):
        return None
    columns = estimator[:-1].transform(rows.sample(LOOKED_AT, 0).features)
    mean = np.asarray(columns.mean(axis=0)).ravel()
    squares = columns.multiply(columns) if issparse(columns) else columns**2
    deviation = np.sqrt(np.maximum(np.asarray(squares.mean(axis=0)).ravel() - mean**2, 0))
    found = pd.DataFrame(
        {"coefficient": estimator[-1].coef_[0], "weight": 0.0}, index=column_names(estimator)
    )
    found["weight"] = found["coefficient"].abs() * deviation
    return found.sort_values("weight")[::-1]


def column_names(pipeline: Pipeline) -> list[str]:
    """What each column of the last step stands for: `apr 149 to 159 x credit = poor`."""
    given = pipeline[:-1].get_feature_names_out()
    known = _known(pipeline)
    return [" x ".join(known.get(part, _plain(part)) for part in _parts(name)) for name in given]


def _parts(name: str) -> list[str]:
    """The columns that a product is of: `a__x b__y` (categories may hold blanks themselves)."""
    return re.split(r" (?=\w+__)", name)


def _plain(name: str) -> str:
    return name.partition("__")[2] or name


def _known(pipeline: Pipeline) -> dict[str, str]:
    """By scikit-learn's name, what each bin and each category is."""
    known = {}
    transformers = [t for step in pipeline for t in _fitted(step)]
    for prefix, transformer, columns in transformers:
        last = transformer[-1] if isinstance(transformer, Pipeline) else transformer
        if isinstance(last, KBinsDiscretizer):
            for column, edges in zip(columns, last.bin_edges_, strict=True):
                for at, (low, high) in enumerate(pairwise(edges)):
                    words = f"{column} {low:,.6g} to {high:,.6g}"
                    known[f"{prefix}__{column}_{float(at)}"] = words
        elif hasattr(last, "categories_"):
            for column, categories in zip(columns, last.categories_, strict=True):
                for category in categories:
                    known[f"{prefix}__{column}_{category}"] = f"{column} = {category}"
        elif isinstance(last, MissingIndicator):
            for column in columns:
                known[f"{prefix}__missingindicator_{column}"] = f"{column} missing"
    return known


def _fitted(step: Any) -> list[tuple[str, Any, list[str]]]:
    return step.transformers_ if isinstance(step, ColumnTransformer) else []

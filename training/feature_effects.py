"""The effect of each column in a fitted pipeline, under names that people understand."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

from training.dataset import Rows

MAX_ROWS, PERMUTATIONS = 10_000, 5  # more rows would hardly change the means


def permutation_importance_table(estimator: Any, rows: Rows, seed: int) -> pd.DataFrame:
    """How much the log loss grows when a feature is shuffled, the largest first.

    The index is the features; the columns are `importance` and `std`, over PERMUTATIONS of up to
    MAX_ROWS rows (Breiman, Random forests, Machine Learning 45 (2001), 5-32).
    """
    sample = rows.sample(MAX_ROWS, seed)
    result = permutation_importance(
        estimator,
        sample.features,
        sample.label,
        scoring="neg_log_loss",
        n_repeats=PERMUTATIONS,
        random_state=seed,
    )
    columns = {"importance": result.importances_mean, "std": result.importances_std}
    return pd.DataFrame(columns, index=sample.features.columns).sort_values("importance")[::-1]


def coefficient_table(estimator: Any, rows: Rows) -> pd.DataFrame | None:
    """The coefficients of a linear model, those with the largest effect on the log odds first.

    The index is the column names; the columns are `coefficient` and `weight`, the standard
    deviation of the coefficient's contribution over up to MAX_ROWS rows. None if the model has no
    coefficients, or if they belong to columns without names, such as the output of trees.
    """
    if not isinstance(estimator, Pipeline) or not hasattr(estimator[-1], "coef_"):
        return None
    try:
        names = column_names(estimator)
    except AttributeError:
        return None
    columns = estimator[:-1].transform(rows.sample(MAX_ROWS, 0).features)
    deviation = np.sqrt(StandardScaler(with_mean=False).fit(columns).var_)
    coefficient = estimator[-1].coef_[0]
    table = {"coefficient": coefficient, "weight": np.abs(coefficient) * deviation}
    return pd.DataFrame(table, index=names).sort_values("weight")[::-1]


def column_names(pipeline: Pipeline) -> list[str]:
    """Readable names of the columns of the last step, such as `apr 149 to 159 x credit = poor`."""
    readable, names = _readable_names(pipeline), []
    for name in pipeline[:-1].get_feature_names_out():
        factors = re.split(r" (?=\w+__)", name)  # of a product such as `a__x b__y`
        names.append(" x ".join(readable.get(f, f.partition("__")[2] or f) for f in factors))
    return names


def _readable_names(pipeline: Pipeline) -> dict[str, str]:
    """Readable names of bins, categories and missing indicators, by scikit-learn's names."""
    names = {}
    steps = [step for step in pipeline if isinstance(step, ColumnTransformer)]
    for prefix, transformer, columns in (t for step in steps for t in step.transformers_):
        last = transformer[-1] if isinstance(transformer, Pipeline) else transformer
        if isinstance(last, KBinsDiscretizer):
            for column, edges in zip(columns, last.bin_edges_, strict=True):
                for number, (low, high) in enumerate(pairwise(edges)):
                    interval = f"{low:,.6g} to {high:,.6g}"
                    names[f"{prefix}__{column}_{float(number)}"] = f"{column} {interval}"
        elif hasattr(last, "categories_"):
            for column, categories in zip(columns, last.categories_, strict=True):
                for category in categories:
                    names[f"{prefix}__{column}_{category}"] = f"{column} = {category}"
        elif isinstance(last, MissingIndicator):
            for column in columns:
                names[f"{prefix}__missingindicator_{column}"] = f"{column} missing"
    return names

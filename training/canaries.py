"""Make synthetic canary rows for a new model version, and record its predictions for them."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from registry.canary import CanaryRows
from training.dataset import Dataset

SYNTHETIC_ROWS = 300  # from which the canary rows are chosen
MIN_SHARED = 10  # a real row that this many people share identifies none of them
COUNT = 6  # every request carries them; two versions never agree on so many predictions


def make_canary_rows(data: Dataset, estimator: Any) -> pd.DataFrame:
    """The canary rows, which also serve as the model's input example; the last one is all null."""
    synthetic = _synthetic_rows(data)
    probabilities = estimator.predict_proba(synthetic)[:, 1] if len(synthetic) else np.array([])
    rows = synthetic.iloc[_choose_rows(probabilities)].astype(object).reset_index(drop=True)
    rows.loc[len(rows)] = None
    rows = rows.astype(object).where(rows.notna(), None)
    return rows.astype(dict.fromkeys(data.problem.numbers, "float64"))


def record_canary(estimator: Any, rows: pd.DataFrame) -> CanaryRows:
    """The canary rows with the probabilities that the fitted pipeline predicts for them."""
    values = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
    return CanaryRows(values, estimator.predict_proba(rows)[:, 1].tolist())


def _synthetic_rows(data: Dataset) -> pd.DataFrame:
    """Random combinations of the values of real rows, none of which is a real row.

    If the columns have so few values that most combinations are real rows, it also returns
    combinations that many people share.
    """
    rng, columns, real = np.random.default_rng(0), {}, data.raw[data.problem.feature_names]
    for name in data.problem.numbers:
        quantiles = real[name].quantile(np.linspace(0.05, 0.95, 19))
        columns[name] = rng.choice(quantiles.to_numpy(dtype="float64"), SYNTHETIC_ROWS)
    for name in data.problem.texts:
        common = list(real[name].value_counts().index[:10]) or [None]
        columns[name] = rng.choice(np.array(common, dtype=object), SYNTHETIC_ROWS)
    rows = pd.DataFrame(columns)[data.problem.feature_names]
    # first drop most of the rows that cannot be equal, which is faster
    for name in data.problem.feature_names:
        real = real[real[name].isin(rows[name])]
    real_counts = Counter(real.itertuples(index=False, name=None))
    counts = np.array([real_counts[row] for row in rows.itertuples(index=False, name=None)])
    synthetic = rows[counts == 0]
    return synthetic if len(synthetic) >= COUNT else rows[(counts == 0) | (counts >= MIN_SHARED)]


def _choose_rows(probabilities: np.ndarray) -> list[int]:
    """Positions of rows whose probabilities differ as much as possible.

    Most forests predict 0 for most rows, so only rows with other probabilities tell them apart.
    """
    if not len(probabilities):
        return []
    _, distinct = np.unique(probabilities, return_index=True)  # sorted by probability
    evenly = np.linspace(0, len(distinct) - 1, COUNT - 1).round().astype(int)
    highest = np.argsort(probabilities, kind="stable")[::-1]
    positions = dict.fromkeys([*distinct[evenly].tolist(), *highest.tolist()])
    return list(positions)[: COUNT - 1]

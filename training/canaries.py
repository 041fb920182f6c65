"""Make up the canary rows of a new version, and note what it answers to them."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from registry.canary import CanaryRows
from training.dataset import Dataset

MADE_UP = 300  # of which the canary rows are chosen
MANY = 10  # people who share a row: it is none of theirs
COUNT = 6  # few, as they ride on every request; enough that two versions never agree on all


def make_canary_rows(data: Dataset, estimator: Any) -> pd.DataFrame:
    """The canary rows, which are the model's input example too; the last one is all null."""
    mixed = _made_up(data)
    answers = estimator.predict_proba(mixed)[:, 1] if len(mixed) else np.array([])
    chosen = mixed.iloc[_choose(answers)].astype(object).reset_index(drop=True)
    chosen.loc[len(chosen)] = None
    chosen = chosen.astype(object).where(chosen.notna(), None)
    return chosen.astype(dict.fromkeys(data.problem.numbers, "float64"))


def record_canary(estimator: Any, frame: pd.DataFrame) -> CanaryRows:
    """The canary rows with what the fitted pipeline answers to them."""
    values = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    return CanaryRows(values, estimator.predict_proba(frame)[:, 1].tolist())


def _made_up(data: Dataset) -> pd.DataFrame:
    """Rows that mix the values of real rows at random; none of them is somebody's.

    Where a problem has so few values that nearly every mixture is real, those will do that many
    people share.
    """
    rng, columns, real = np.random.default_rng(0), {}, data.raw[data.problem.feature_names]
    for name in data.problem.numbers:
        spread = real[name].quantile(np.linspace(0.05, 0.95, 19))
        columns[name] = rng.choice(spread.to_numpy(dtype="float64"), MADE_UP)
    for name in data.problem.texts:
        common = list(real[name].value_counts().index[:10]) or [None]
        columns[name] = rng.choice(np.array(common, dtype=object), MADE_UP)
    mixed = pd.DataFrame(columns)[data.problem.feature_names]
    seen = Counter(real.itertuples(index=False, name=None))
    sharing = np.array([seen[row] for row in mixed.itertuples(index=False, name=None)])
    made_up = mixed[sharing == 0]
    return made_up if len(made_up) >= COUNT else mixed[(sharing == 0) | (sharing >= MANY)]


def _choose(answers: np.ndarray) -> list[int]:
    """Positions of the rows whose answers are as different as the version gives them.

    A forest says 0 to most rows, and so does the next one: rows with other answers tell them apart.
    """
    if not len(answers):
        return []
    _, different = np.unique(answers, return_index=True)  # in the order of the answers
    spread = np.linspace(0, len(different) - 1, COUNT - 1).round().astype(int)
    highest = np.argsort(answers, kind="stable")[::-1]
    chosen = dict.fromkeys([*different[spread].tolist(), *highest.tolist()])
    return list(chosen)[: COUNT - 1]

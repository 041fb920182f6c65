"""The held-out set never changes, and has no effect on a search."""

import numpy as np
import pandas as pd
import pytest

import problems
from problems import Candidate
from problems.split import HELD_OUT_SHARE, held_out_mask
from tests.support.datasets import generated_rows, split_offers
from tests.support.threads import limit_to_one_thread
from training.search import search_grid
from training.threshold import ThresholdRule

GRIDS: dict[str, dict[str, list[float]]] = {
    "logistic_plain": {"model__C": [1e-3, 0.1]},
    "logistic_engineered": {"trees__pairs__max_iter": [3, 6], "model__C": [0.003]},
    "boosted_trees": {"model__max_iter": [3, 6]},
}


def test_the_held_out_set_has_the_stated_share_and_never_changes() -> None:
    assert np.mean(held_out_mask(range(20_000))) == pytest.approx(HELD_OUT_SHARE, abs=0.01)
    # these values must never change: versions of all releases are compared on the same rows
    assert held_out_mask(["a", "b", "c", "d", "e", "f", "g", "h"]) == [
        False, False, True, False, True, True, False, False,
    ]  # fmt: skip


def change_held_out(rows: pd.DataFrame, is_held_out: np.ndarray) -> pd.DataFrame:
    """Change features, categories and labels of the held-out rows, and of no others."""
    rng, count = np.random.default_rng(0), int(is_held_out.sum())
    changed = rows.copy()
    changed.loc[is_held_out, "apr"] = rng.uniform(5, 300, count).round(2)
    changed.loc[is_held_out, "credit"] = rng.choice(["poor", "a new category"], count)
    changed.loc[is_held_out, "clicked"] = rng.random(count) < 0.3
    return changed


@pytest.mark.parametrize("name", GRIDS)
def test_changing_held_out_rows_does_not_change_a_search(name: str) -> None:
    rows = generated_rows(1_000, seed=4)
    data = split_offers(rows)
    changed = split_offers(change_held_out(rows, data.held_out_mask))
    assert (changed.held_out_mask == data.held_out_mask).all()
    assert not changed.test.features.equals(data.test.features)
    results = []
    for each in (data, changed):
        (candidate,) = (
            Candidate(name, "", c.pipeline, GRIDS[name])
            for c in problems.load().candidates(each.categories, 0)
            if c.name == name
        )
        with limit_to_one_thread():
            results.append(search_grid(candidate, each.train, [each.folds(each.train, 2, 0)], 1))
    first, second = results
    assert second.best.params == first.best.params
    assert [p.scores for p in second.grid_points] == [p.scores for p in first.grid_points]
    thresholds = [
        ThresholdRule().choose_threshold(*r.labels_and_probabilities(data.train.label))
        for r in results
    ]
    assert thresholds[0] == thresholds[1]
    answers = [r.estimator.predict_proba(data.test.features) for r in results]
    assert (answers[0] == answers[1]).all()

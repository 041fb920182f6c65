"""The search agrees with GridSearchCV for each candidate of the default problem."""

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

import problems
from problems import Candidate
from tests.support.datasets import generated_offers
from tests.support.threads import limit_to_one_thread
from training.dataset import Dataset
from training.search import search_grid

PROBLEM = problems.load()
GRIDS: dict[str, dict[str, list[float]]] = {
    "logistic_plain": {"model__C": [1e-5, 1e-3, 0.1]},
    "logistic_engineered": {"trees__pairs__max_iter": [5, 10], "model__C": [0.01, 0.1]},
    "boosted_trees": {"model__max_iter": [5, 10], "model__l2_regularization": [0.0, 10.0]},
}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return generated_offers(1_000, seed=4)


@pytest.mark.parametrize("name", GRIDS)
def test_the_search_agrees_with_grid_search_cv(data: Dataset, name: str) -> None:
    candidates = {c.name: c for c in PROBLEM.candidates(data.categories, 0)}
    assert candidates.keys() == GRIDS.keys()
    candidate = Candidate(name, "", candidates[name].pipeline, GRIDS[name])
    rows, folds = data.train, data.folds(data.train, 3, 0)
    result = search_grid(candidate, rows, [folds], 2)
    with (
        limit_to_one_thread()
    ):  # as in the processes of the search; more threads would wait for each other
        grid = GridSearchCV(
            candidate.pipeline, dict(candidate.grid), scoring="neg_log_loss", cv=folds
        ).fit(rows.features, rows.label)
        expected = grid.best_estimator_.predict_proba(data.test.features)[:, 1]
        probabilities = result.estimator.predict_proba(data.test.features)[:, 1]
    losses = [point.scores["log_loss"].value for point in result.grid_points]
    assert losses == pytest.approx(-grid.cv_results_["mean_test_score"], rel=2e-4)
    assert result.best is result.grid_points[grid.best_index_]
    assert probabilities == pytest.approx(expected, rel=1e-6)
    assert len(np.unique(probabilities)) > 10
    gains = []
    for train, left_out in folds:
        base_rate = np.full(len(left_out), rows.label[train].mean())
        model_loss = log_loss(rows.label[left_out], result.out_of_fold_probabilities[0, left_out])
        gains.append(log_loss(rows.label[left_out], base_rate) - model_loss)
        fitted = grid.best_estimator_.fit(rows.features.iloc[train], rows.label[train])
        left_out_probabilities = fitted.predict_proba(rows.features.iloc[left_out])[:, 1]
        assert result.out_of_fold_probabilities[0, left_out] == pytest.approx(
            left_out_probabilities, rel=0.02
        )
    assert (result.gain.gain, result.gain.rows) == (pytest.approx(np.mean(gains)), len(rows))
    assert result.gain.degrees_of_freedom == 2

"""The search shares fits between grid points; effects of columns have readable names."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import problems
from problems import Candidate
from problems.pipelines import binned_pairs
from tests.support.datasets import generated_offers
from training import feature_effects
from training.dataset import Dataset
from training.search import search_grid

PROBLEM = problems.load()


@pytest.fixture(scope="module")
def data() -> Dataset:
    return generated_offers(2_000, seed=4)


def test_steps_that_grid_points_share_are_fitted_once_per_fold(data: Dataset) -> None:
    calls: list[int] = []

    def count(frame: pd.DataFrame) -> pd.DataFrame:
        calls.append(len(frame))
        return frame[PROBLEM.numbers].fillna(0.0)

    pipeline = Pipeline(
        [
            ("count", FunctionTransformer(count)),
            ("scale", StandardScaler()),
            ("model", LogisticRegression()),
        ]
    )
    candidate = Candidate("counted", "", pipeline, {"model__C": [0.1, 1.0, 10.0, 100.0]})
    fits: list[int] = []
    folds = data.folds(data.train, 3, 0)
    result = search_grid(candidate, data.train, [folds], 1, advance=fits.append)
    assert len(calls) == 3 * 2 + 1  # both parts of each fold, and finally all rows
    assert sum(fits) == 4 * 3
    assert [point.params for point in result.grid_points] == [
        {"C": c} for c in (0.1, 1.0, 10.0, 100.0)
    ]


def test_a_search_on_a_sample_fits_its_best_model_on_all_rows(data: Dataset) -> None:
    candidate = PROBLEM.candidates(data.categories, 0)[0]
    sample = data.train.sample(4_000, 0)
    result = search_grid(candidate, sample, [data.folds(sample, 2, 0)], 1, refit_on=data.train)
    best = {f"model__{name}": value for name, value in result.best.params.items()}
    expected = candidate.pipeline.set_params(**best).fit(data.train.features, data.train.label)
    assert (result.estimator[-1].coef_ == expected[-1].coef_).all()


def test_a_sample_consists_of_whole_leads_of_the_training_rows(data: Dataset) -> None:
    sample = data.train.sample(4_000, 0)
    assert 3_000 < len(sample) < 5_000
    assert not set(sample.group) & set(data.test.group)
    rows_of_these_leads = pd.Series(data.train.group).isin(sample.group).sum()
    assert rows_of_these_leads == len(sample)


def test_a_sample_is_the_same_for_the_same_seed(data: Dataset) -> None:
    first, second = data.train.sample(1_000, 5), data.train.sample(1_000, 5)
    assert (first.group == second.group).all()
    assert set(first.group) != set(data.train.sample(1_000, 6).group)


def test_columns_have_readable_names(data: Dataset) -> None:
    numbers, model = ["annual_income", "apr"], LogisticRegression(C=0.03)
    pipeline = binned_pairs(numbers, fine=20, coarse=10, categories=data.categories, model=model)
    fitted = pipeline.fit(data.train.features, data.train.label)
    names = feature_effects.column_names(fitted)
    assert len(names) == fitted[-1].coef_.shape[1]
    assert "credit = poor" in names
    assert "annual_income missing" in names
    assert any(name.startswith("apr ") and name.endswith("x credit = poor") for name in names)
    assert not any("__" in name for name in names)
    table = feature_effects.coefficient_table(fitted, data.train)
    assert table is not None
    assert table["weight"].is_monotonic_decreasing
    position = names.index("credit = poor")
    assert fitted[-1].coef_[0, position] == table.loc["credit = poor", "coefficient"]


def test_importance_is_the_increase_in_loss_if_a_column_is_shuffled(data: Dataset) -> None:
    def apr_alone(frame: pd.DataFrame) -> np.ndarray:
        return frame[["apr"]].to_numpy() / 100

    pipeline = Pipeline([("apr", FunctionTransformer(apr_alone)), ("model", LogisticRegression())])
    fitted = pipeline.fit(data.train.features, data.train.label)
    importance = feature_effects.permutation_importance_table(fitted, data.test, 0)
    assert importance.index[0] == "apr"
    assert importance["importance"].iloc[0] > 0
    assert (importance["importance"].iloc[1:] == 0).all()

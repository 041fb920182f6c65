"""The search: what GridSearchCV would find, with its preprocessing done once a fold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import problems
from db.engine import database_url, opened
from modeling import dataset, explain
from modeling.dataset import Dataset
from modeling.search import search
from problems import Candidate
from tests.helpers import Trained

PROBLEM = problems.load()


@pytest.fixture(scope="module")
def data(trained: Trained) -> Dataset:
    with opened(database_url(str(trained.database))) as engine:
        return dataset.read(engine, PROBLEM)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_it_finds_what_grid_search_finds(data: Dataset, number: int) -> None:
    candidate = PROBLEM.candidates(data.categories, 0)[number]
    rows = data.train.some(8_000, 0)
    folds = data.folds(rows, 3, 0)
    found = search(candidate, rows, [folds], 2)
    grid = GridSearchCV(
        candidate.pipeline,
        {name: list(values) for name, values in candidate.grid.items()},
        scoring="neg_log_loss",
        cv=folds,
    ).fit(rows.features, rows.label)
    ours = [point.scores["log_loss"].mean for point in found.points]
    assert ours == pytest.approx(-grid.cv_results_["mean_test_score"], rel=2e-4)
    assert found.best is found.points[grid.best_index_]
    expected = grid.best_estimator_.predict_proba(data.test.features)[:, 1]
    said = found.estimator.predict_proba(data.test.features)[:, 1]
    assert said == pytest.approx(expected, rel=1e-6)
    first, left_out = folds[0]
    again = grid.best_estimator_.fit(rows.features.iloc[first], rows.label[first])
    assert found.out_of_fold[0, left_out] == pytest.approx(
        again.predict_proba(rows.features.iloc[left_out])[:, 1], rel=0.02
    )


def test_what_the_grid_shares_is_computed_once_a_fold(data: Dataset) -> None:
    calls: list[int] = []

    def counted(frame: pd.DataFrame) -> pd.DataFrame:
        calls.append(len(frame))
        return frame[PROBLEM.numbers].fillna(0.0)

    pipeline = Pipeline(
        [
            ("count", FunctionTransformer(counted)),
            ("scale", StandardScaler()),
            ("model", LogisticRegression()),
        ]
    )
    candidate = Candidate("counted", "", pipeline, {"model__C": [0.1, 1.0, 10.0, 100.0]})
    rows = data.train.some(3_000, 0)
    folds, done = data.folds(rows, 3, 0), 0

    def advance(by: int) -> None:
        nonlocal done
        done += by

    found = search(candidate, rows, [folds], 1, advance=advance)
    assert len(calls) == 3 * 2 + 1  # both parts of each fold, and in the end all rows
    assert done == 4 * 3
    assert [point.params for point in found.points] == [{"C": c} for c in (0.1, 1.0, 10.0, 100.0)]


def test_a_search_on_some_rows_is_fitted_on_all(data: Dataset) -> None:
    candidate = PROBLEM.candidates(data.categories, 0)[0]
    some = data.train.some(4_000, 0)
    assert 3_000 < len(some) < 5_000
    assert not set(some.group) & set(data.test.group)
    whole = pd.Series(data.train.group).isin(some.group).sum()
    assert whole == len(some)  # no lead is in it with a part of its offers
    found = search(candidate, some, [data.folds(some, 2, 0)], 1, refit_on=data.train)
    point = {f"model__{name}": value for name, value in found.best.params.items()}
    again = candidate.pipeline.set_params(**point).fit(data.train.features, data.train.label)
    assert (found.estimator[-1].coef_ == again[-1].coef_).all()


def test_columns_have_names_that_a_person_understands(data: Dataset) -> None:
    candidate = PROBLEM.candidates(data.categories, 0)[1]
    found = search(
        Candidate(candidate.name, "", candidate.pipeline, {"model__C": [0.03]}),
        data.train,
        [data.folds(data.train, 2, 0)],
        1,
    )
    names = explain.names(found.estimator)
    assert len(names) == found.estimator[-1].coef_.shape[1]
    assert "credit = poor" in names
    assert "annual_income missing" in names
    assert any(name.startswith("apr ") and name.endswith("x credit = poor") for name in names)
    assert not any("__" in name for name in names)
    table = explain.coefficients(found.estimator, data.train)
    assert table is not None
    assert table["weight"].is_monotonic_decreasing
    position = names.index("credit = poor")
    assert found.estimator[-1].coef_[0, position] == table.loc["credit = poor", "coefficient"]


def test_importance_is_the_loss_that_a_shuffled_column_costs(data: Dataset) -> None:
    columns = Pipeline(
        [
            ("apr", FunctionTransformer(_apr_alone)),
            ("model", LogisticRegression()),
        ]
    ).fit(data.train.features, data.train.label)
    found = explain.permutation(columns, data.test, 0)
    assert found.index[0] == "apr"
    assert (found["importance"].iloc[1:] == 0).all()


def _apr_alone(frame: pd.DataFrame) -> np.ndarray:
    return frame[["apr"]].to_numpy() / 100


def test_a_sample_is_the_same_each_time(data: Dataset) -> None:
    one, two = data.train.some(1_000, 5), data.train.some(1_000, 5)
    assert (one.group == two.group).all()
    assert set(one.group) != set(data.train.some(1_000, 6).group)

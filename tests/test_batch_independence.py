"""A row's score depends on nothing but the row: not on its batch, nor on how it was sent."""

import io
import itertools
from dataclasses import dataclass
from typing import Any

import mlflow
import pandas as pd
import pytest
import requests

import problems
from modeling.dataset import NULL_TEXT
from registry import versions

SAME = 1e-12


@dataclass(frozen=True)
class Case:
    """A problem, a row of it without nulls, and which of its columns to make null together."""

    problem: problems.Problem
    full: dict[str, Any]
    nulls: list[tuple[str, ...]]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The full row with each combination of nulls."""
        return [{k: None if k in n else v for k, v in self.full.items()} for n in self.nulls]

    @property
    def all_null(self) -> dict[str, Any]:
        return dict.fromkeys(self.full)


OFFER = {
    "requested": 1500.0,
    "loan_purpose": "auto",
    "credit": "good",
    "annual_income": 42_000.0,
    "apr": 19.99,
}
LOAN = {  # one that looks bad all round: a forest says 0 of most others, whatever is null
    "loan_amnt": 16_000.0,
    "int_rate": 0.309,
    "purpose": "debt_consolidation",
    "grade": "G",
    "annual_inc": 79_000.0,
    "revol_util": 0.917,
    "emp_length": "< 1 year",
    "dti": 37.93,
    "delinq_2yrs": 1.0,
    "home_ownership": "RENT",
}
LOAN_TEXTS = ("purpose", "grade", "emp_length", "home_ownership")
CASES = {
    "offer-click": Case(
        problems.load("offer_click"),
        OFFER,
        [n for size in range(len(OFFER) + 1) for n in itertools.combinations(OFFER, size)],
    ),
    "loan-risk": Case(
        problems.load("loan_risk"), LOAN, [(), *((n,) for n in LOAN), LOAN_TEXTS, tuple(LOAN)]
    ),
}


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    problem = next(case.problem for case in CASES.values() if case.full.keys() == rows[0].keys())
    kinds = dict.fromkeys(problem.numbers, "float64") | dict.fromkeys(problem.texts, "object")
    return pd.DataFrame(rows, columns=problem.feature_names).astype(kinds)


def by_json(rows: list[dict[str, Any]]) -> tuple[str, bytes]:
    body = frame(rows).to_json(orient="split", index=False, double_precision=15)
    return "application/json", f'{{"dataframe_split": {body}}}'.encode()


def by_csv(rows: list[dict[str, Any]]) -> tuple[str, bytes]:
    return "text/csv", frame(rows).to_csv(index=False).encode()


def by_parquet(rows: list[dict[str, Any]]) -> tuple[str, bytes]:
    body = io.BytesIO()
    frame(rows).to_parquet(body, index=False)
    return "application/vnd.apache.parquet", body.getvalue()


FORMATS = {"json": by_json, "csv": by_csv, "parquet": by_parquet}


def ask(url: str, form: str, rows: list[dict[str, Any]]) -> list[float]:
    kind, body = FORMATS[form](rows)
    answer = requests.post(
        f"{url}/invocations", data=body, headers={"Content-Type": kind}, timeout=60
    )
    assert answer.status_code == 200, answer.text[:500]
    return [pair[1] for pair in answer.json()["predictions"]]


SERVED = {  # the fixtures of a version's address and of the store that it comes from
    "offer-click@champion": ("champion", "trained"),
    "offer-click@challenger": ("challenger", "trained"),
    "loan-risk@champion": ("loan_champion", "loans_trained"),
    "loan-risk@challenger": ("loan_challenger", "loans_trained"),
}


@pytest.fixture(params=SERVED)
def version(request: pytest.FixtureRequest) -> tuple[str, Case, list[float]]:
    """A served version's address, its problem's case, and its scores as training computes them."""
    address, store = SERVED[request.param]
    mlflow.set_tracking_uri(request.getfixturevalue(store).tracking_uri)
    found = versions.resolve(mlflow.MlflowClient(), f"models:/{request.param}")
    case = CASES[found.name]
    rows = frame(case.rows)
    rows[case.problem.texts] = rows[case.problem.texts].fillna(NULL_TEXT)
    expected = mlflow.sklearn.load_model(found.uri).predict_proba(rows)[:, 1].tolist()
    return request.getfixturevalue(address), case, expected


@pytest.mark.parametrize("form", FORMATS)
def test_each_combination_of_nulls_scores_the_same_in_any_batch(
    form: str, version: tuple[str, Case, list[float]]
) -> None:
    url, case, expected = version
    rows, nobody = case.rows, case.all_null
    assert len({round(p, 12) for p in expected}) > 3  # the nulls do make a difference
    alone = [ask(url, form, [row])[0] for row in rows]
    among_nulls = [ask(url, form, [nobody, row, nobody])[1] for row in rows]
    mixed = ask(url, form, [case.full, *rows, nobody])[1:-1]
    for answers in (alone, among_nulls, mixed):
        assert answers == pytest.approx(expected, abs=SAME)


@pytest.mark.parametrize("form", FORMATS)
def test_an_unseen_category_scores_as_a_null(
    form: str, version: tuple[str, Case, list[float]]
) -> None:
    url, case, _ = version
    for name in case.problem.texts:
        unseen, null = {**case.full, name: "never seen"}, {**case.full, name: None}
        answers = ask(url, form, [unseen, null, case.full])
        assert answers[0] == pytest.approx(answers[1], abs=SAME)
        assert ask(url, form, [unseen])[0] == pytest.approx(answers[0], abs=SAME)


def test_one_offer_by_json_answers_with_its_probability(champion: str) -> None:
    answer = requests.post(
        f"{champion}/invocations", json={"dataframe_records": [OFFER]}, timeout=60
    )
    ((no, yes),) = answer.json()["predictions"]
    assert no + yes == pytest.approx(1)
    assert 0 < yes < 1

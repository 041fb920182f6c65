"""A row's score depends on nothing but the row: not on its batch, nor on how it was sent."""

import io
import itertools
from typing import Any

import mlflow
import pandas as pd
import pytest
import requests

import problems
from modeling.dataset import NULL_TEXT
from registry import versions
from tests.conftest import Trained

PROBLEM = problems.load()
FULL = {
    "requested": 1500.0,
    "loan_purpose": "auto",
    "credit": "good",
    "annual_income": 42_000.0,
    "apr": 19.99,
}
ALL_NULL: dict[str, Any] = dict.fromkeys(FULL)
SAME = 1e-12


def with_nulls() -> list[dict[str, Any]]:
    """The full row with each of the 32 combinations of nulls."""
    return [
        {name: None if name in nulls else value for name, value in FULL.items()}
        for size in range(len(FULL) + 1)
        for nulls in itertools.combinations(FULL, size)
    ]


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    kinds = dict.fromkeys(PROBLEM.numbers, "float64") | dict.fromkeys(PROBLEM.texts, "object")
    return pd.DataFrame(rows, columns=list(FULL)).astype(kinds)


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


@pytest.fixture(params=["champion", "challenger"])
def version(request: pytest.FixtureRequest, trained: Trained) -> tuple[str, list[float]]:
    """A served version's address, and each null combination's score as training computes it."""
    mlflow.set_tracking_uri(trained.tracking_uri)
    found = versions.resolve(mlflow.MlflowClient(), f"models:/offer-click@{request.param}")
    rows = frame(with_nulls())
    rows[PROBLEM.texts] = rows[PROBLEM.texts].fillna(NULL_TEXT)
    expected = mlflow.sklearn.load_model(found.uri).predict_proba(rows)[:, 1].tolist()
    return request.getfixturevalue(request.param), expected


@pytest.mark.parametrize("form", FORMATS)
def test_each_combination_of_nulls_scores_the_same_in_any_batch(
    form: str, version: tuple[str, list[float]]
) -> None:
    url, expected = version
    rows = with_nulls()
    assert len({round(p, 12) for p in expected}) > 16  # the nulls do make a difference
    alone = [ask(url, form, [row])[0] for row in rows]
    among_nulls = [ask(url, form, [ALL_NULL, row, ALL_NULL])[1] for row in rows]
    mixed = ask(url, form, [FULL, *rows, ALL_NULL])[1:-1]
    for answers in (alone, among_nulls, mixed):
        assert answers == pytest.approx(expected, abs=SAME)


@pytest.mark.parametrize("form", FORMATS)
def test_an_unseen_category_scores_as_a_null(form: str, version: tuple[str, list[float]]) -> None:
    url, _ = version
    for name in PROBLEM.texts:
        unseen, null = {**FULL, name: "never seen"}, {**FULL, name: None}
        answers = ask(url, form, [unseen, null, FULL])
        assert answers[0] == pytest.approx(answers[1], abs=SAME)
        assert answers[0] != pytest.approx(answers[2], abs=1e-6)
        assert ask(url, form, [unseen])[0] == pytest.approx(answers[0], abs=SAME)


def test_one_offer_by_json_answers_with_its_probability(champion: str) -> None:
    answer = requests.post(
        f"{champion}/invocations", json={"dataframe_records": [FULL]}, timeout=60
    )
    ((no, yes),) = answer.json()["predictions"]
    assert no + yes == pytest.approx(1)
    assert 0 < yes < 1

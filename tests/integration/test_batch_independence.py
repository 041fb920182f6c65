"""The score of a row does not depend on its batch or on the format of the request."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlflow
import pandas as pd
import pytest
import requests

import problems
from registry import versions
from tests.support.model_server import model_server
from tests.support.trained import TrainedStore
from training.dataset import NULL_TEXT

SAME = 1e-12
Row = dict[str, Any]
OFFER: Row = {
    "requested": 1500.0,
    "loan_purpose": "auto",
    "credit": "good",
    "annual_income": 42_000.0,
    "apr": 19.99,
}
LOAN: Row = {  # high risk in every column: a forest predicts 0 for most others, with any nulls
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


@dataclass(frozen=True)
class Case:
    """A problem, one of its rows without nulls, and groups of columns to set to null."""

    problem: problems.Problem
    full: Row
    null_groups: list[tuple[str, ...]]

    def with_nulls(self, names: tuple[str, ...]) -> Row:
        return {name: None if name in names else value for name, value in self.full.items()}

    @property
    def all_null(self) -> Row:
        return dict.fromkeys(self.full)

    def rows(self, form: str) -> list[Row]:
        """The row with each group of nulls; for CSV and Parquet with no, one, or only nulls.

        The format of a request does not affect which combinations of nulls matter.
        """
        groups = self.null_groups
        if form != "json":
            groups = [names for names in groups if len(names) in (0, 1, len(self.full))]
        return [self.with_nulls(names) for names in groups]

    def frame(self, rows: list[Row]) -> pd.DataFrame:
        numbers, texts = self.problem.numbers, self.problem.texts
        types = dict.fromkeys(numbers, "float64") | dict.fromkeys(texts, "object")
        return pd.DataFrame(rows, columns=self.problem.feature_names).astype(types)


CASES = {
    "offer-click": Case(
        problems.load("offer_click"),
        OFFER,
        [names for size in range(len(OFFER) + 1) for names in itertools.combinations(OFFER, size)],
    ),
    "loan-risk": Case(
        problems.load("loan_risk"),
        LOAN,
        [(), *((name,) for name in LOAN), LOAN_TEXTS, tuple(LOAN)],
    ),
}


def as_json(frame: pd.DataFrame) -> tuple[str, bytes]:
    body = frame.to_json(orient="split", index=False, double_precision=15)
    return "application/json", f'{{"dataframe_split": {body}}}'.encode()


def as_csv(frame: pd.DataFrame) -> tuple[str, bytes]:
    return "text/csv", frame.to_csv(index=False).encode()


def as_parquet(frame: pd.DataFrame) -> tuple[str, bytes]:
    body = io.BytesIO()
    frame.to_parquet(body, index=False)
    return "application/vnd.apache.parquet", body.getvalue()


FORMATS = {"json": as_json, "csv": as_csv, "parquet": as_parquet}
# the fixture with the store of each version
STORES = {
    "offer-click@champion": "trained",
    "offer-click@challenger": "trained",
    "loan-risk@champion": "loans_trained",
    "loan-risk@challenger": "loans_trained",
}


@dataclass(frozen=True)
class Served:
    """A served version: the case of its problem, its address, and its registered pipeline."""

    case: Case
    url: str
    pipeline: Any

    def scores(self, form: str, rows: list[Row]) -> list[float]:
        """The scores in the response to one request."""
        content_type, body = FORMATS[form](self.case.frame(rows))
        response = requests.post(
            f"{self.url}/invocations",
            data=body,
            headers={"Content-Type": content_type},
            timeout=60,
        )
        assert response.status_code == 200, response.text[:500]
        return [pair[1] for pair in response.json()["predictions"]]

    def expected(self, rows: list[Row]) -> list[float]:
        """The scores of the rows that the pipeline computes in training."""
        frame, texts = self.case.frame(rows), self.case.problem.texts
        frame[texts] = frame[texts].fillna(NULL_TEXT)
        return [float(p) for p in self.pipeline.predict_proba(frame)[:, 1]]


@pytest.fixture(scope="module", params=STORES)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Each version, served by MLflow's scoring server."""
    store: TrainedStore = request.getfixturevalue(STORES[request.param])
    mlflow.set_tracking_uri(store.tracking_uri)
    version = versions.resolve(mlflow.MlflowClient(), f"models:/{request.param}")
    pipeline = mlflow.sklearn.load_model(version.uri)
    with model_server(store.tracking_uri, f"models:/{request.param}") as url:
        yield Served(CASES[version.name], url, pipeline)


@pytest.mark.parametrize("form", FORMATS)
def test_each_combination_of_nulls_scores_the_same_in_any_batch(form: str, served: Served) -> None:
    rows, all_null = served.case.rows(form), served.case.all_null
    expected = served.expected(rows)
    assert len({round(p, 12) for p in expected}) > 3  # the nulls make a difference
    alone = [served.scores(form, [row])[0] for row in rows]
    among_nulls = [served.scores(form, [all_null, row, all_null])[1] for row in rows]
    mixed = served.scores(form, [served.case.full, *rows, all_null])[1:-1]
    for scores in (alone, among_nulls, mixed):
        assert scores == pytest.approx(expected, abs=SAME)


@pytest.mark.parametrize("form", FORMATS)
def test_an_unseen_category_scores_like_a_null(form: str, served: Served) -> None:
    full = served.case.full
    for name in served.case.problem.texts:
        unseen, null = full | {name: "never seen"}, full | {name: None}
        scores = served.scores(form, [unseen, null, full])
        assert scores[0] == pytest.approx(scores[1], abs=SAME), name
        assert served.scores(form, [unseen])[0] == pytest.approx(scores[0], abs=SAME), name


def test_the_response_to_one_offer_in_json_is_its_probability(champion: str) -> None:
    response = requests.post(
        f"{champion}/invocations", json={"dataframe_records": [OFFER]}, timeout=60
    )
    ((no, yes),) = response.json()["predictions"]
    assert no + yes == pytest.approx(1)
    assert 0 < yes < 1

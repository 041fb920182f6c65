"""A scorecard gives the probabilities of its pipeline; other pipelines have none."""

import csv
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import problems
from problems.pipelines import bins, medians, one_hot, pipeline
from registry import registration
from scorecard import build
from scorecard.build import TOLERANCE, agrees, build_scorecard
from scorecard.points import PointScale, to_csv
from scorecard.tables import Column, Scorecard, ScorecardError
from serving.fast_predict import FastModel
from tests.support.datasets import generated_offers
from training.dataset import Dataset

OFFERS = problems.load()


class ServedModel:
    """What a server needs of a loaded model."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.metadata = Model(signature=registration.signature(OFFERS))
        self._pipeline = pipeline

    def get_raw_model(self) -> Pipeline:
        return self._pipeline


@pytest.fixture(scope="module")
def data() -> Dataset:
    return generated_offers(2_000, seed=4)


@pytest.fixture(scope="module")
def fitted(data: Dataset) -> dict[str, Pipeline]:
    candidates = OFFERS.candidates(data.categories, 0)
    return {c.name: c.pipeline.fit(data.train.features, data.train.label) for c in candidates}


@pytest.fixture(scope="module")
def card(data: Dataset, fitted: dict[str, Pipeline]) -> Scorecard:
    card = build_scorecard(fitted["logistic_engineered"], data.train.features, OFFERS.numbers)
    assert card is not None
    return card


def test_only_models_that_are_sums_of_tables_have_a_scorecard(
    data: Dataset, fitted: dict[str, Pipeline], card: Scorecard
) -> None:
    assert card.pairs  # those of which trees split both columns
    for name in ("logistic_plain", "boosted_trees"):
        assert build_scorecard(fitted[name], data.train.features, OFFERS.numbers) is None


def test_a_product_of_three_columns_is_no_scorecard(data: Dataset) -> None:
    columns = pipeline(
        OFFERS.numbers, bins(3), data.categories, None, one_hot(data.categories, sparse=True)
    )[0]
    models = {}
    for degree in (2, 3):
        products = PolynomialFeatures(degree=degree, interaction_only=True)
        model = LogisticRegression(C=10.0, solver="liblinear")
        steps = Pipeline([("columns", columns), ("products", products), ("model", model)])
        steps.fit(data.train.features, data.train.label)
        models[degree] = build_scorecard(steps, data.train.features, OFFERS.numbers)
    assert models[2] is not None
    assert models[3] is None


def test_a_pipeline_that_refuses_huge_values_has_no_scorecard(data: Dataset) -> None:
    numbers = make_pipeline(medians(), StandardScaler())
    columns = pipeline(OFFERS.numbers, numbers, data.categories, None)[0]
    products, model = PolynomialFeatures(2), LogisticRegression(C=1e-3, max_iter=1_000)
    steps = Pipeline([("columns", columns), ("products", products), ("model", model)])
    steps.fit(data.train.features, data.train.label)
    huge = data.test.features.assign(apr=1e300)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="infinity"):
        steps.predict_proba(huge)
    assert build_scorecard(steps, data.train.features, OFFERS.numbers) is None


def test_a_model_with_too_many_cells_has_no_scorecard(
    data: Dataset, fitted: dict[str, Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAX_CELLS", 100)
    engineered = fitted["logistic_engineered"]
    assert build_scorecard(engineered, data.train.features, OFFERS.numbers) is None


def test_it_scores_any_row_as_the_pipeline_does(
    data: Dataset, fitted: dict[str, Pipeline], card: Scorecard
) -> None:
    rng, rows = np.random.default_rng(0), data.test.features.copy()
    for column in card.columns:
        edges = np.array(column.edges or [0.0])
        near = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)])
        odd = [None, "unseen"] if column.edges is None else [np.nan, -5.0, 0.0, 1e300, *near]
        changed = rng.random(len(rows)) < 0.5
        rows[column.name] = rows[column.name].astype(object)
        rows.loc[changed, column.name] = rng.choice(np.array(odd, dtype=object), changed.sum())
    rows = rows.astype(dict.fromkeys(OFFERS.numbers, "float64"))
    expected = fitted["logistic_engineered"].predict_proba(rows)[:, 1]
    assert np.abs(card.probability(rows) - expected).max() <= TOLERANCE
    assert agrees(card, fitted["logistic_engineered"], rows)
    assert not agrees(card, fitted["logistic_plain"], rows)


def test_a_row_has_the_same_score_alone_in_a_batch_and_after_saving(
    data: Dataset, card: Scorecard
) -> None:
    rows = data.test.features.head(200)
    together = card.probability(rows)
    saved = Scorecard.from_json(card.to_json())
    assert (saved.probability(rows) == together).all()
    alone = [card.probability({k: [v] for k, v in row.items()})[0] for _, row in rows.iterrows()]
    assert (np.array(alone) == together).all()


def test_it_refuses_what_the_pipeline_refuses(
    data: Dataset, fitted: dict[str, Pipeline], card: Scorecard
) -> None:
    rows = data.test.features.head(3).assign(apr=[1.0, np.inf, 2.0])
    with pytest.raises(ValueError, match="infinity"):
        fitted["logistic_engineered"].predict_proba(rows)
    with pytest.raises(ScorecardError, match="apr has an infinite value"):
        card.probability(rows)


def test_tables_are_centered_so_that_each_shows_the_effect_of_its_columns(
    data: Dataset, card: Scorecard
) -> None:
    cells = card.cells(data.train.features)  # fewer rows than the sample that is centered
    for table, codes in zip(card.singles, cells, strict=True):
        assert table[codes].mean() == pytest.approx(0, abs=1e-9)
    for (i, j), table in card.pairs.items():
        shares = np.bincount(cells[i], minlength=len(table)) / len(cells[i])
        assert np.abs(shares @ table).max() < 1e-9
        assert np.abs(table @ np.bincount(cells[j], minlength=table.shape[1])).max() < 1e-6


def test_points_add_up_and_double_the_odds(data: Dataset, card: Scorecard) -> None:
    scale = PointScale(at_odds=500, odds=30, to_double=40)
    lines = list(csv.DictReader(to_csv(card, scale).splitlines()))
    points = {tuple(list(line.values())[:4]): float(line["points"]) for line in lines}
    row = data.test.features.iloc[[0]]
    cells = zip(card.columns, card.cells(row), strict=True)
    labels = [column.label(int(codes[0])) for column, codes in cells]
    names = [column.name for column in card.columns]
    total = points["(base)", "", "", ""]
    total += sum(points[n, label, "", ""] for n, label in zip(names, labels, strict=True))
    total += sum(points[names[i], labels[i], names[j], labels[j]] for i, j in card.pairs)
    odds_against = 1 / math.exp(card.log_odds(row)[0])
    assert total == pytest.approx(500 + 40 * math.log2(odds_against / 30), abs=0.1)


def test_cells_are_labeled_with_their_limits() -> None:
    number = Column("apr", (1.5, 2_000.0))
    assert [number.label(cell) for cell in range(number.size)] == [
        "null", "below 1.5", "from 1.5, below 2,000", "from 2,000",
    ]  # fmt: skip
    tree = Column("apr", (5e-324, float(np.nextafter(149.0, np.inf)), 12_345_678_901.0))
    assert [tree.label(cell) for cell in range(1, tree.size)] == [
        "up to 0", "above 0, up to 149", "above 149, below 12345678901.0", "from 12345678901.0",
    ]  # fmt: skip
    assert number.cells([np.nan, 1.0, 1.5, 2_000.0]).tolist() == [0, 1, 2, 3]
    text = Column("credit", categories=("good", "poor"))
    assert [text.label(cell) for cell in range(text.size)] == ["null or unseen", "good", "poor"]
    assert text.cells([None, np.nan, "odd", "good", "poor"]).tolist() == [0, 0, 0, 1, 2]


SMALL = {
    "format": 1,
    "columns": [{"name": "apr", "edges": [1.0], "categories": []}],
    "intercept": 0.0,
    "singles": [[0.0, 1.0, 2.0]],
    "pairs": [],
}


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"columns": None}, {"singles": [[0.0]]}, {"singles": [[0.0, 1.0, math.nan]]},
        {"pairs": [[0, 1, [[0.0]]]]}, {"intercept": "x"},
    ],
)  # fmt: skip
def test_a_file_that_is_no_scorecard_is_refused(change: dict[str, Any]) -> None:
    assert Scorecard.from_json(json.dumps(SMALL)).probability({"apr": [1.0]})[0] == pytest.approx(
        1 / (1 + math.exp(-2))
    )
    with pytest.raises(ScorecardError):
        Scorecard.from_json(json.dumps({**SMALL, **change}))


def test_a_column_of_nulls_has_one_effect(data: Dataset) -> None:
    rows = data.train.features.assign(annual_income=np.nan)
    pipeline = OFFERS.candidates(data.categories, 0)[1].pipeline.fit(rows, data.train.label)
    card = build_scorecard(pipeline, pd.DataFrame(rows), OFFERS.numbers)
    assert card is not None
    assert np.ptp(card.singles[[c.name for c in card.columns].index("annual_income")]) == 0


def test_a_server_uses_a_scorecard_only_if_it_agrees_with_the_pipeline(
    data: Dataset, fitted: dict[str, Pipeline], card: Scorecard
) -> None:
    rows, pipeline = data.test.features.head(6), fitted["logistic_engineered"]
    model = ServedModel(pipeline)
    fast = FastModel(model, rows, card)
    assert fast.uses_scorecard
    assert (fast.predict(rows)[:, 1] == card.probability(rows)).all()
    with pytest.raises(ValueError, match="infinity"):  # as from the pipeline
        fast.predict(rows.assign(apr=np.inf))
    with pytest.raises(ValueError, match="0 sample"):
        fast.predict(rows[:0])
    wrong = replace(card, intercept=card.intercept + 1e-9)
    refused = FastModel(model, rows, wrong)
    assert not refused.uses_scorecard
    np.testing.assert_array_equal(refused.predict(rows), pipeline.predict_proba(rows))

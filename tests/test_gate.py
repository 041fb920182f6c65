"""The gate: what it lets pass, on real rows with versions that were really trained."""

import dataclasses
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.base import clone

import problems
from db.engine import database_url, opened
from modeling import dataset, gate
from modeling.dataset import Dataset, Rows
from modeling.gate import Verdict
from registry import versions
from tests.helpers import Trained

PROBLEM = problems.load()
SEEDS = range(20)


@pytest.fixture(scope="module")
def data(trained: Trained) -> Dataset:
    with opened(database_url(str(trained.database))) as engine:
        return dataset.read(engine, PROBLEM)


@pytest.fixture(scope="module")
def plain(data: Dataset) -> Any:
    """The first candidate, not fitted yet."""
    return PROBLEM.candidates(data.categories, 0)[0].pipeline


def said(estimator: Any, rows: Rows) -> np.ndarray:
    return np.asarray(estimator.predict_proba(rows.features))[:, 1]


def verdict(data: Dataset, ours: np.ndarray, theirs: np.ndarray, margin: float = 0.0) -> Verdict:
    return gate.judge(PROBLEM, data.test, ours, theirs, margin, as_logged=True)


def test_noise_is_refused_against_the_base_rate(data: Dataset, plain: Any) -> None:
    """Twenty models of labels that were shuffled, which leaves nothing to learn."""
    base, refused = np.full(len(data.test), data.base_rate), 0
    for seed in SEEDS:
        shuffled = np.random.default_rng(seed).permutation(data.train.label)
        model = clone(plain).fit(data.train.features, shuffled)
        refused += not verdict(data, said(model, data.test), base).promoted
    assert refused >= 19


def test_noise_is_refused_against_a_champion(data: Dataset, plain: Any) -> None:
    """Twenty models that differ from the champion by chance alone: in the leads they saw."""
    champion, refused = said(fit_on_half(data, plain, 1_000), data.test), 0
    for seed in SEEDS:
        ours = said(fit_on_half(data, plain, seed), data.test)
        refused += not verdict(data, ours, champion).promoted
    assert refused >= 19


def fit_on_half(data: Dataset, pipeline: Any, seed: int) -> Any:
    half = data.train.some(len(data.train) // 2, seed)
    return clone(pipeline).fit(half.features, half.label)


def test_equals_are_refused(data: Dataset, plain: Any) -> None:
    ours = said(clone(plain).fit(data.train.features, data.train.label), data.test)
    found = verdict(data, ours, ours)
    assert not found.promoted
    assert found.gain.low == found.gain.value == found.gain.high == 0


@pytest.fixture(scope="module")
def answers(trained: Trained, data: Dataset) -> dict[str, np.ndarray]:
    """What each trained candidate says of the held-out rows."""
    mlflow.set_tracking_uri(trained.tracking_uri)
    client, found = mlflow.MlflowClient(), {}
    for version in client.search_model_versions("name = 'offer-click'"):
        resolved = versions.resolve(client, f"models:/offer-click/{version.version}")
        found[version.tags["candidate"]] = gate.probabilities(resolved, data.test.features)
    return found


def test_a_truly_better_one_passes_and_the_same_the_other_way_round_does_not(
    data: Dataset, answers: dict[str, np.ndarray]
) -> None:
    better, worse = answers["logistic_engineered"], answers["logistic_plain"]
    passed, failed = verdict(data, better, worse), verdict(data, worse, better)
    assert passed.promoted
    assert passed.gain.low > 0
    assert not failed.promoted
    assert failed.gain.high < 0
    assert "log loss is not surely less" in failed.shortfalls[0]
    assert not verdict(data, better, worse, margin=passed.gain.value).promoted
    assert verdict(data, worse, better, margin=failed.gain.low - 1e-3).promoted


def test_one_that_overstates_is_refused_although_its_log_loss_is_less(
    data: Dataset, answers: dict[str, np.ndarray]
) -> None:
    honest = answers["boosted_trees"]
    log_odds = np.log(honest / (1 - honest))
    bold = 1 / (1 + np.exp(-(1.7 * (log_odds - log_odds.mean()) + log_odds.mean() - 0.5)))
    found = verdict(data, bold, np.full(len(data.test), data.base_rate))
    assert found.gain.low > 0
    assert found.slope.high < PROBLEM.calibration_band[0]
    assert not found.promoted
    assert "calibration slope" in found.shortfalls[0]


def test_a_version_that_does_not_answer_as_logged_is_refused(
    trained: Trained, data: Dataset
) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    version = versions.resolve(mlflow.MlflowClient(), "models:/offer-click@champion")
    assert gate.answers_as_logged(version, PROBLEM)
    moved = [p * (1 + 1e-6) for p in version.canary.probabilities]
    canary = dataclasses.replace(version.canary, probabilities=moved)
    other = dataclasses.replace(version, canary=canary)
    assert not gate.answers_as_logged(other, PROBLEM)
    ours = gate.probabilities(version, data.test.features)
    base = np.full(len(data.test), data.base_rate)
    found = gate.judge(PROBLEM, data.test, ours, base, 0.0, as_logged=False)
    assert found.shortfalls == ("it does not answer its canary rows as it did when it was trained",)


def test_the_interval_is_by_lead(data: Dataset) -> None:
    """Every offer listed ten times is no more evidence than once."""
    rng = np.random.default_rng(1)
    ours = np.clip(data.base_rate * np.exp(rng.normal(0, 0.2, len(data.test))), 0, 0.9)
    base = np.full(len(data.test), data.base_rate)
    once = verdict(data, ours, base).gain
    ten = [np.repeat(values, 10) for values in (data.test.label, data.test.group, ours, base)]
    listed = Rows(data.test.features.loc[np.repeat(np.arange(len(data.test)), 10)], *ten[:2])
    many = gate.judge(PROBLEM, listed, ten[2], ten[3], 0.0, as_logged=True).gain
    assert many.high - many.low == pytest.approx(once.high - once.low, rel=1e-6)


def test_the_verdict_is_the_same_each_time(data: Dataset) -> None:
    base = np.full(len(data.test), data.base_rate)
    ours = base * np.random.default_rng(2).uniform(0.5, 1.5, len(base))
    assert verdict(data, ours, base).gain == verdict(data, ours, base).gain

"""Metrics, calibration and ranking agree with scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    ndcg_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

import problems
from metrics import calibration, catalog, ranking
from metrics.bootstrap import Bootstrap, estimate
from metrics.classification import WeightedCurves
from training import evaluate
from training.dataset import Rows
from training.fold import FOLD_METRICS, GAIN

PROBLEM = problems.load()


def rows_with_probabilities(count: int, seed: int, per_group: int = 5) -> tuple[Rows, np.ndarray]:
    """Rows and probabilities with ties; the labels are drawn from these probabilities."""
    rng = np.random.default_rng(seed)
    groups = np.arange(count) // per_group
    shared = rng.normal(0, 1, count)[groups]  # the same for all rows of a group
    probability = np.round(expit(-2.5 + shared + rng.normal(0, 1, count)), 2).clip(0.01, 0.99)
    label = (rng.random(count) < probability).astype(np.int8)
    features = pd.DataFrame({"apr": rng.uniform(5, 200, count)})
    return Rows(features, label, groups), probability


def test_each_place_shows_only_metrics_that_it_gets() -> None:
    rows, probability = rows_with_probabilities(500, 0)
    loans = problems.load("loan_risk")
    computed = {
        catalog.CV: {*FOLD_METRICS, GAIN},
        catalog.CARD: set(evaluate.held_out_metrics(PROBLEM, rows, probability, 0.25, 0.12)),
        catalog.COMPARISON: set(evaluate.held_out_metrics(loans, rows, probability, 0.25, 0.12)),
        catalog.PIPELINE: set(evaluate.base_rate_metrics(0.12, rows)),
    }
    computed[catalog.RUN] = computed[catalog.CARD] | {"single_row_ms", "saved_mb"}
    computed[catalog.TRAIN] = computed[catalog.RUN]
    for place, names in computed.items():
        shown = {metric.name for metric in catalog.shown_in(place)}
        assert shown, place
        assert shown <= names, place


def test_metrics_agree_with_scikit_learn() -> None:
    rows, p = rows_with_probabilities(3_000, 0)
    y, threshold, rate = rows.label, 0.25, 0.12
    estimates = evaluate.held_out_metrics(PROBLEM, rows, p, threshold, rate)
    expected = {
        "log_loss": log_loss(y, p),
        "brier": brier_score_loss(y, p),
        "roc_auc": roc_auc_score(y, p),
        "average_precision": average_precision_score(y, p),
        "accuracy": accuracy_score(y, p >= threshold),
        "balanced_accuracy": balanced_accuracy_score(y, p >= threshold),
        "precision": precision_score(y, p >= threshold),
        "recall": recall_score(y, p >= threshold),
        "f1": f1_score(y, p >= threshold),
        "accuracy_at_half": accuracy_score(y, p >= 0.5),
        "balanced_accuracy_at_half": balanced_accuracy_score(y, p >= 0.5),
        "balanced_accuracy_at_base_rate": balanced_accuracy_score(y, p >= rate),
        "precision_at_former": precision_score(y, p >= PROBLEM.former_threshold),
        "recall_at_former": recall_score(y, p >= PROBLEM.former_threshold),
    }
    for name, value in expected.items():
        assert estimates[name].value == pytest.approx(value, rel=1e-9), name
        assert estimates[name].low <= value <= estimates[name].high
    log_odds = np.log(p / (1 - p))[:, None]
    slope = LogisticRegression(C=np.inf, tol=1e-8).fit(log_odds, y).coef_[0, 0]
    assert estimates["calibration_slope"].value == pytest.approx(slope, rel=1e-4)
    assert estimates["calibration_slope"].low < 1 < estimates["calibration_slope"].high


def test_weighted_curves_agree_with_scikit_learn_if_there_are_ties() -> None:
    rows, p = rows_with_probabilities(2_000, 1)
    bootstrap, y = Bootstrap(rows.group, 5), rows.label
    for weights in bootstrap.weights():
        auc, precision = WeightedCurves(y, p)(weights)
        assert auc == pytest.approx(roc_auc_score(y, p, sample_weight=weights), rel=1e-9)
        expected_precision = average_precision_score(y, p, sample_weight=weights)
        assert precision == pytest.approx(expected_precision, rel=1e-9)


@pytest.mark.parametrize(("factor", "low", "high"), [(1.0, 0.93, 1.07), (2.0, 0.46, 0.54)])
def test_the_slope_measures_how_far_probabilities_are_too_extreme(
    factor: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(3)
    log_odds = rng.normal(-2, 1.5, 40_000)
    label = (rng.random(len(log_odds)) < expit(log_odds)).astype(int)
    bootstrap = Bootstrap(np.arange(len(label)), 100)
    slope = estimate(calibration.calibration_slope(label, expit(factor * log_odds), bootstrap))
    assert low < slope.low < 1 / factor < slope.high < high


def test_the_calibration_error_is_the_mean_distance_over_the_bins() -> None:
    label = np.r_[np.zeros(50), np.ones(50)]
    probability = np.r_[np.full(50, 0.1), np.full(50, 0.7)]
    bootstrap = Bootstrap(np.arange(100), 10)
    errors = calibration.calibration_error(label, probability, bootstrap)
    assert errors[0] == pytest.approx((0.1 + 0.3) / 2)


def test_a_constant_probability_has_no_slope() -> None:
    label = np.r_[np.zeros(50), np.ones(50)]
    slopes = calibration.calibration_slope(label, np.full(100, 0.5), Bootstrap(np.arange(100), 10))
    assert np.isnan(slopes).all()


def test_ranking_metrics_agree_with_scikit_learn_if_there_are_ties() -> None:
    rows, p = rows_with_probabilities(2_000, 4, per_group=7)
    p = np.round(p, 1)  # many ties
    shuffled = np.random.default_rng(0).permutation(len(p))
    label, group, score = rows.label[shuffled], rows.group[shuffled], p[shuffled]
    metrics = ranking.ranking_metrics(label, score, group, Bootstrap(group, 50))
    ndcg, clicked_first = [], []
    for _, lead in pd.DataFrame({"y": label, "p": score, "g": group}).groupby("g"):
        if 0 < lead["y"].sum() < len(lead):
            ndcg.append(ndcg_score([lead["y"]], [lead["p"]]))
            clicked_first.append(lead["y"][lead["p"] == lead["p"].max()].mean())
    assert metrics["ndcg"][0] == pytest.approx(np.mean(ndcg))
    assert metrics["ranked_first"][0] == pytest.approx(np.mean(clicked_first))


def test_a_model_ranks_better_than_a_random_order_and_the_lowest_apr() -> None:
    rows, p = rows_with_probabilities(3_000, 5)
    orders = evaluate.ranking_baseline_metrics(PROBLEM, rows)
    estimates = evaluate.held_out_metrics(PROBLEM, rows, p, 0.2, 0.1)
    for metric in ("ndcg", "ranked_first"):
        for order in ("random_order", "lowest_apr"):
            assert orders[f"{order}_{metric}"].high < estimates[metric].low
    sizes = pd.Series(rows.group).map(pd.Series(rows.group).value_counts())
    assert orders["random_order_ranked_first"].value >= 1 / sizes.max()

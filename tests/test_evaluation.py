"""Figures and their intervals: the same as the libraries', and right about what they claim."""

import math

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
from modeling import calibration, evaluate, ranking
from modeling.dataset import Rows
from modeling.resample import Bootstrap, estimate
from modeling.threshold import Rule, RuleError

PROBLEM = problems.load()


def made_up(rows: int, seed: int, per_group: int = 5) -> tuple[Rows, np.ndarray]:
    """Rows with labels drawn from the probabilities returned, which have ties."""
    rng = np.random.default_rng(seed)
    groups = np.arange(rows) // per_group
    shared = rng.normal(0, 1, rows)[groups]  # what the rows of a group have in common
    probability = np.round(expit(-2.5 + shared + rng.normal(0, 1, rows)), 2).clip(0.01, 0.99)
    label = (rng.random(rows) < probability).astype(np.int8)
    features = pd.DataFrame({"apr": rng.uniform(5, 200, rows)})
    return Rows(features, label, groups), probability


def test_figures_are_those_of_scikit_learn() -> None:
    rows, p = made_up(3_000, 0)
    y, threshold, rate = rows.label, 0.25, 0.12
    found = evaluate.metrics(PROBLEM, rows, p, threshold, rate)
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
        assert found[name].value == pytest.approx(value, rel=1e-9), name
        assert found[name].low <= value <= found[name].high
    log_odds = np.log(p / (1 - p))[:, None]
    slope = LogisticRegression(C=np.inf, tol=1e-8).fit(log_odds, y).coef_[0, 0]
    assert found["calibration_slope"].value == pytest.approx(slope, rel=1e-4)
    assert found["calibration_slope"].low < 1 < found["calibration_slope"].high


def test_weighted_curves_are_those_of_scikit_learn_with_ties() -> None:
    rows, p = made_up(2_000, 1)
    bootstrap, y = Bootstrap(rows.group, 5), rows.label
    for weights in bootstrap.weights():
        auc, precision = evaluate._Curves(y, p)(weights)
        assert auc == pytest.approx(roc_auc_score(y, p, sample_weight=weights), rel=1e-9)
        assert precision == pytest.approx(
            average_precision_score(y, p, sample_weight=weights), rel=1e-9
        )


def test_sums_and_weights_are_of_the_same_resamples() -> None:
    rows, p = made_up(500, 2)
    bootstrap = Bootstrap(rows.group, 120)
    sums = bootstrap.sums({"rows": np.ones(len(p)), "p": p})
    for at, weights in enumerate(bootstrap.weights()):
        assert sums["rows"][at] == weights.sum()
        assert sums["p"][at] == pytest.approx(weights @ p)
        assert (pd.Series(weights).groupby(rows.group).nunique() == 1).all()  # whole groups


def test_the_bootstrap_covers_the_truth_where_rows_of_a_group_are_alike() -> None:
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(80), 6)
        values = rng.normal(1, 1, 80)[group] + rng.normal(0, 0.3, len(group))
        sums = Bootstrap(group, 300, seed).sums({"rows": np.ones(len(group)), "v": values})
        found = estimate(sums["v"] / sums["rows"])
        covered += found.low < 1 < found.high
    assert covered >= 88


@pytest.mark.parametrize(("sharper", "low", "high"), [(1.0, 0.93, 1.07), (2.0, 0.46, 0.54)])
def test_the_slope_tells_how_far_probabilities_are_overstated(
    sharper: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(3)
    log_odds = rng.normal(-2, 1.5, 40_000)
    label = (rng.random(len(log_odds)) < expit(log_odds)).astype(int)
    bootstrap = Bootstrap(np.arange(len(label)), 200)
    found = estimate(calibration.slope(label, expit(sharper * log_odds), bootstrap))
    assert low < found.low < 1 / sharper < found.high < high


def test_the_calibration_error_is_the_mean_distance_of_bins() -> None:
    label = np.r_[np.zeros(50), np.ones(50)]
    probability = np.r_[np.full(50, 0.1), np.full(50, 0.7)]
    found = calibration.error(label, probability, Bootstrap(np.arange(100), 10))
    assert found[0] == pytest.approx((0.1 + 0.3) / 2)
    constant = calibration.slope(label, np.full(100, 0.5), Bootstrap(np.arange(100), 10))
    assert np.isnan(constant).all()


def test_ranking_within_a_lead_is_scikit_learn_s_ndcg_with_ties() -> None:
    rows, p = made_up(4_000, 4, per_group=7)
    p = np.round(p, 1)  # many ties
    shuffled = np.random.default_rng(0).permutation(len(p))
    label, group, score = rows.label[shuffled], rows.group[shuffled], p[shuffled]
    found = ranking.figures(label, score, group, Bootstrap(group, 50))
    expected, first = [], []
    for _, lead in pd.DataFrame({"y": label, "p": score, "g": group}).groupby("g"):
        if 0 < lead["y"].sum() < len(lead):
            expected.append(ndcg_score([lead["y"]], [lead["p"]]))
            first.append(lead["y"][lead["p"] == lead["p"].max()].mean())
    assert found["ndcg"][0] == pytest.approx(np.mean(expected))
    assert found["ranked_first"][0] == pytest.approx(np.mean(first))


def test_simple_orders_are_what_ranking_has_to_beat() -> None:
    rows, p = made_up(3_000, 5)
    orders = evaluate.order_metrics(PROBLEM, rows)
    ours = evaluate.metrics(PROBLEM, rows, p, 0.2, 0.1)
    for metric in ("ndcg", "ranked_first"):
        for order in ("random_order", "lowest_apr"):
            assert orders[f"{order}_{metric}"].high < ours[metric].low
    sizes = pd.Series(rows.group).map(pd.Series(rows.group).value_counts())
    assert orders["random_order_ranked_first"].value >= 1 / sizes.max()


def test_without_a_positive_row_there_is_no_interval_rather_than_a_wrong_one() -> None:
    found = estimate(np.array([0.5, np.nan, np.nan]))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


LABEL = np.array([0, 0, 0, 1, 0, 1, 1])
PROBABILITY = np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.6, 0.7])


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        (Rule("f1"), 0.35),
        (Rule("cost", false_positive=10, false_negative=1), 0.6),
        (Rule("cost", false_positive=1, false_negative=10), 0.35),
        (Rule("cost", false_positive=1e9, false_negative=1e-9), 0.6),
        (Rule("rate", rate=2 / 7), 0.6),
        (Rule("rate"), 0.4),
    ],
)
def test_the_threshold_follows_its_rule(rule: Rule, threshold: float) -> None:
    assert rule.threshold(LABEL, PROBABILITY) == threshold


def test_where_every_yes_costs_more_than_it_saves_nobody_gets_one() -> None:
    label, probability = np.array([1, 0, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])
    assert Rule("cost", false_positive=5).threshold(label, probability) == 1.0


def test_costs_that_decide_nothing_are_refused() -> None:
    with pytest.raises(RuleError, match="more than 0"):
        Rule("cost", false_positive=0)
    with pytest.raises(RuleError, match="A cost decides nothing by the rule f1"):
        Rule("f1", false_negative=5)
    with pytest.raises(RuleError, match="A rate decides nothing by the rule cost"):
        Rule("cost", rate=0.1)

"""Evaluate a candidate on the held-out set: metrics, time per row, and what it has learned."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metrics.bootstrap import Bootstrap, Estimate, estimate, flatten_estimates
from metrics.calibration import calibration_slope
from metrics.classification import decision_metrics, probability_metrics
from metrics.ranking import ranking_metrics
from problems import Problem
from scorecard.build import build_scorecard
from scorecard.tables import Scorecard
from training import batch_independence, canaries, feature_effects
from training.dataset import Dataset, Rows
from training.search import SearchResult
from training.selection import Standing

TIMED_CALLS = 30


@dataclass(frozen=True)
class Evaluation:
    """A candidate's best pipeline, evaluated on the held-out set."""

    search_result: SearchResult
    threshold: float
    probability: np.ndarray  # of each held-out row
    held_out_metrics: Mapping[str, Estimate]
    canary_rows: pd.DataFrame
    single_row_ms: float
    importance: pd.DataFrame
    coefficients: pd.DataFrame | None
    scorecard: Scorecard | None

    @property
    def name(self) -> str:
        return self.search_result.candidate.name

    @property
    def standing(self) -> Standing:
        cv = self.search_result.best.scores["log_loss"]
        is_benchmark = self.search_result.candidate.is_benchmark
        return Standing(self.name, cv.value, cv.standard_error, self.single_row_ms, is_benchmark)

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics under the names that MLflow logs."""
        metrics: dict[str, float] = {}
        for name, score in self.search_result.best.scores.items():
            metrics |= flatten_estimates({f"cv_{name}": score})
            metrics |= {f"cv_{name}_std": score.std, f"cv_{name}_se": score.standard_error}
        held_out = {f"test_{name}": value for name, value in self.held_out_metrics.items()}
        return {**metrics, **flatten_estimates(held_out), "single_row_ms": self.single_row_ms}


def evaluate_candidate(
    data: Dataset, search_result: SearchResult, threshold: float, seed: int
) -> Evaluation:
    """Evaluate the pipeline that a search has fitted.

    Raises:
        DataError: the score of a row depends on its batch.
    """
    estimator = search_result.estimator
    canary_rows = canaries.make_canary_rows(data, estimator)
    name = search_result.candidate.name
    batch_independence.check_batch_independence(data.problem, name, estimator, canary_rows)
    probability = estimator.predict_proba(data.test.features)[:, 1]
    return Evaluation(
        search_result,
        threshold,
        probability,
        held_out_metrics(data.problem, data.test, probability, threshold, data.base_rate),
        canary_rows,
        single_row_ms(estimator, canary_rows),
        feature_effects.permutation_importance_table(estimator, data.test, seed),
        feature_effects.coefficient_table(estimator, data.train),
        build_scorecard(estimator, data.train.features, data.problem.numbers),
    )


def held_out_metrics(
    problem: Problem, rows: Rows, probability: np.ndarray, threshold: float, base_rate: float
) -> dict[str, Estimate]:
    """Metrics of the probabilities and of decisions at several thresholds, with 95% intervals.

    The thresholds are `threshold`, 0.5, `base_rate` (the share of positives in the training rows,
    which corresponds to 0.5 on a balanced test set) and, if the problem has one, its former one.
    """
    bootstrap, label = Bootstrap(rows.group), rows.label
    metrics = {
        **probability_metrics(label, probability, bootstrap),
        **decision_metrics(label, probability >= threshold, bootstrap),
    }
    for suffix, other_threshold, names in (
        ("half", 0.5, ("accuracy", "balanced_accuracy")),
        ("base_rate", base_rate, ("balanced_accuracy",)),
        ("former", problem.former_threshold, ("precision", "recall")),
    ):
        if other_threshold is None:
            continue
        decisions = decision_metrics(label, probability >= other_threshold, bootstrap)
        metrics |= {f"{name}_at_{suffix}": decisions[name] for name in names}
    if problem.ranking_baseline:
        metrics |= ranking_metrics(label, probability, rows.group, bootstrap)
    metrics["calibration_slope"] = calibration_slope(label, probability, bootstrap)
    return {name: estimate(values) for name, values in metrics.items()}


def base_rate_metrics(base_rate: float, rows: Rows) -> dict[str, Estimate]:
    """The metrics of the base-rate model, which predicts the same probability for every row."""
    constant = np.full(len(rows), base_rate)
    metrics = probability_metrics(rows.label, constant, Bootstrap(rows.group))
    metrics["accuracy"] = np.full(1, max(rows.label.mean(), 1 - rows.label.mean()))
    return {name: estimate(values) for name, values in metrics.items()}


def ranking_baseline_metrics(problem: Problem, rows: Rows) -> dict[str, Estimate]:
    """The ranking metrics of a random order, and of the order by the problem's baseline column."""
    if not problem.ranking_baseline:
        return {}
    bootstrap, lowest = Bootstrap(rows.group), -rows.features[problem.ranking_baseline].to_numpy()
    scores = {
        "random_order": np.zeros(len(rows)),
        f"lowest_{problem.ranking_baseline}": np.where(np.isnan(lowest), -np.inf, lowest),
    }
    metrics = {}
    for order, score in scores.items():
        for name, values in ranking_metrics(rows.label, score, rows.group, bootstrap).items():
            metrics[f"{order}_{name}"] = estimate(values)
    return metrics


def single_row_ms(estimator: Any, rows: pd.DataFrame) -> float:
    """The fastest of several predictions of a single row, in milliseconds.

    The fastest one is the least disturbed by other work on the machine.
    """
    seconds = []
    for call in range(TIMED_CALLS):
        row = rows.iloc[[call % len(rows)]]
        started = time.perf_counter()
        estimator.predict_proba(row)
        seconds.append(time.perf_counter() - started)
    return min(seconds) * 1000

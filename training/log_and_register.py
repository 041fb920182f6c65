"""Write a training into MLflow: one run, a run a candidate under it, a run a grid point below."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
from mlflow import ActiveRun, MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from metrics.bootstrap import Estimate
from registry import versions
from training import (
    batch_independence,
    canaries,
    data_profile,
    evaluate,
    feature_effects,
    model_card,
    plots,
)
from training.dataset import Dataset, Rows
from training.search import SearchResult
from training.selection import Standing
from training.threshold import ThresholdRule


@dataclass(frozen=True)
class RegisteredCandidate:
    """A candidate's version with its metrics: of held-out rows, and all others by their names."""

    version: ModelVersion
    search_result: SearchResult
    threshold: float
    held_out_metrics: Mapping[str, Estimate]
    metrics: Mapping[str, float]

    @property
    def standing(self) -> Standing:
        found = self.metrics
        return Standing(
            self.search_result.candidate.name,
            found["cv_log_loss"],
            found["cv_log_loss_se"],
            found["single_row_ms"],
        )


@dataclass(frozen=True)
class TrainingContext:
    """What all candidates of a training share: its rows as MLflow knows them, and what to beat."""

    rows: PandasDataset
    base_rate: Mapping[str, Estimate]
    ranking_baselines: Mapping[str, Estimate]


def log_training(data: Dataset, params: Mapping[str, Any]) -> TrainingContext:
    """Log to the active run what all candidates share."""
    mlflow.log_params(
        {
            **params,
            "rows_train": len(data.train),
            "rows_held_out": len(data.test),
            "held_out_by": data.group_column,
            "features": ", ".join(data.problem.feature_names),
            "digest": data.digest,
        }
    )
    rate = evaluate.base_rate_metrics(data.base_rate, data.test)
    orders = evaluate.ranking_baseline_metrics(data.problem, data.test)
    mlflow.log_metrics(
        flatten_estimates({f"base_rate_{name}": value for name, value in rate.items()})
    )
    mlflow.log_metrics(flatten_estimates(orders))
    mlflow.log_text(data_profile.render_profile(data), "profile/profile.html")
    for name, figure in plots.data_plots(data.problem, data.raw).items():
        mlflow.log_figure(figure, f"profile/{name}.png")
    train = _dataset(data, data.train, "train")
    mlflow.log_input(train, context="training")
    mlflow.log_input(_dataset(data, data.test, "held_out"), context="testing")
    return TrainingContext(train, rate, orders)


def register_candidate(
    data: Dataset,
    found: SearchResult,
    threshold: float,
    rule: ThresholdRule,
    shared: TrainingContext,
    seed: int,
) -> RegisteredCandidate:
    """Log a candidate's search and model under the active run, and register the model.

    Raises:
        DataError: a row's score depends on its batch.
        RegistryError: the pipeline is made of more than stock classes.
    """
    name, estimator = found.candidate.name, found.estimator
    example = canaries.make_canary_rows(data, estimator)
    batch_independence.check_batch_independence(data.problem, name, estimator, example)
    probability = estimator.predict_proba(data.test.features)[:, 1]
    test = evaluate.held_out_metrics(
        data.problem, data.test, probability, threshold, data.base_rate
    )
    to_beat = model_card.baseline_values(shared.base_rate, shared.ranking_baselines)
    text = model_card.version_card(data, found, threshold, str(rule), test, to_beat, example)
    tags = {"candidate": name, "problem": data.problem.name}
    with mlflow.start_run(run_name=name, nested=True, tags=tags, description=text) as run:
        params = {"candidate": name, **_readable(found.best.params)}
        mlflow.log_params(
            {**params, "decision_threshold": threshold, "threshold_rule": str(rule), "seed": seed}
        )
        _grid_points(run, found)
        _explained(data, found, probability, threshold, seed)
        model = versions.log_model(
            data.problem,
            estimator,
            example,
            threshold=threshold,
            canary=canaries.record_canary(estimator, example),
            trained_on=data.trained_on,
            params=params,
        )
        metrics = {
            **_cross_validated(found),
            **flatten_estimates({f"test_{metric}": value for metric, value in test.items()}),
            "single_row_ms": evaluate.single_row_ms(estimator, example),
            "saved_mb": (Model.load(model.model_uri).model_size_bytes or 0) / 1e6,
        }
        mlflow.log_metrics(metrics, model_id=model.model_id, dataset=shared.rows)
    version = versions.register(data.problem, model, _tags(run, found, threshold, metrics), text)
    return RegisteredCandidate(version, found, threshold, test, metrics)


def log_comparison(
    trained: Sequence[RegisteredCandidate], first: str, why: str, shared: TrainingContext
) -> None:
    """Log to the active run which candidate is best, and why."""
    best = next(r for r in trained if r.search_result.candidate.name == first)
    mlflow.set_tag("best_candidate", first)
    mlflow.log_metrics({f"best_{name}": value for name, value in best.metrics.items()})
    values = {name: value.value for name, value in shared.base_rate.items()}
    lines = [
        model_card.ComparisonRow(
            r.search_result.candidate.name,
            str(r.version.version),
            r.search_result.candidate.is_benchmark,
            ", ".join(f"{name}={value}" for name, value in r.search_result.best.params.items()),
            f"{r.metrics['cv_log_loss']:.4f} ({r.metrics['cv_log_loss_low']:.4f} to "
            f"{r.metrics['cv_log_loss_high']:.4f})",
            r.held_out_metrics,
            r.metrics["single_row_ms"],
        )
        for r in trained
    ]
    mlflow.set_tag(MLFLOW_RUN_NOTE, model_card.comparison(lines, first, why, values))
    figures = {r.search_result.candidate.name: r.held_out_metrics for r in trained}
    mlflow.log_figure(plots.comparison(figures, values), "comparison.png")


def flatten_estimates(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """Estimates as metrics of their own: the value, and where it is known its interval."""
    found: dict[str, float] = {}
    for name, estimate in estimates.items():
        ends = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        found |= {end: value for end, value in ends.items() if math.isfinite(value)}
    return found


def _cross_validated(found: SearchResult) -> dict[str, float]:
    scores = {k: v for k, v in found.best.metrics.items() if k.startswith("cv_")}
    for metric, spread in found.best.scores.items():
        scores |= {
            f"cv_{metric}_se": spread.standard_error,
            f"cv_{metric}_low": spread.low,
            f"cv_{metric}_high": spread.high,
        }
    return scores


def _explained(
    data: Dataset, found: SearchResult, probability: np.ndarray, threshold: float, seed: int
) -> None:
    """The plots of a version: what it is worth, and what it has learned."""
    name = found.candidate.name
    figures = plots.version_plots(data.problem, name, data.test.label, probability, threshold)
    figures["cross_validation"] = plots.fold_scores(name, found.fold_scores)
    importance = feature_effects.permutation_importance_table(found.estimator, data.test, seed)
    figures["permutation_importance"] = plots.importance(name, importance)
    learned = feature_effects.coefficient_table(found.estimator, data.train)
    if learned is not None:
        figures["coefficients"] = plots.coefficients(name, learned)
        mlflow.log_text(learned.to_csv(index_label="column"), "coefficients.csv")
    for file, figure in figures.items():
        mlflow.log_figure(figure, f"plots/{file}.png")


def _tags(
    run: ActiveRun, found: SearchResult, threshold: float, metrics: Mapping[str, float]
) -> dict[str, str]:
    """A version's tags: what promote.py chooses by, and what people look for in the list."""
    return {
        "candidate": found.candidate.name,
        "yardstick": "yes" if found.candidate.is_benchmark else "no",
        "training_run": run.data.tags[MLFLOW_PARENT_RUN_ID],
        "cv_log_loss": f"{metrics['cv_log_loss']:.6f}",
        "cv_log_loss_se": f"{metrics['cv_log_loss_se']:.6f}",
        "single_row_ms": f"{metrics['single_row_ms']:.2f}",
        "decision_threshold": f"{threshold:.4f}",
    }


def _dataset(data: Dataset, rows: Rows, part: str) -> PandasDataset:
    return from_pandas(
        rows.features.assign(label=rows.label.astype(float)),
        source=CodeDatasetSource({"database": data.source}),
        targets="label",
        name=f"{data.problem.name}_{part}",
        digest=data.digest,
    )


def _readable(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, and C as its logarithm too: the UI's axes are linear, and C is not."""
    c = params.get("C")
    return {**params, **({"log10_C": round(math.log10(c), 2)} if c else {})}


def _grid_points(run: ActiveRun, found: SearchResult) -> None:
    """One finished run for each grid point, so that the UI can compare and plot them."""
    client, now = MlflowClient(), int(time.time() * 1000)
    for point in found.grid_points:
        name = ", ".join(f"{key}={value}" for key, value in point.params.items())
        child = client.create_run(
            run.info.experiment_id,
            run_name=f"{found.candidate.name}: {name}",
            tags={
                MLFLOW_PARENT_RUN_ID: run.info.run_id,
                "grid_point": "best" if point is found.best else "tried",
            },
        )
        client.log_batch(
            child.info.run_id,
            metrics=[Metric(key, value, now, 0) for key, value in point.metrics.items()],
            params=[
                Param(key, str(value))
                for key, value in {
                    "candidate": found.candidate.name,
                    **_readable(point.params),
                }.items()
            ],
            tags=[RunTag("candidate", found.candidate.name)],
        )
        client.set_terminated(child.info.run_id)

"""Log a training to MLflow and register its models.

A training is a run; each candidate is a run below it, and each grid point a run below that.
"""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import mlflow
from mlflow import ActiveRun, MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from mlflow.entities import Metric, Param
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model
from mlflow.types import ColSpec, DataType, Schema
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from metrics import catalog
from metrics.bootstrap import Estimate, flatten_estimates
from problems import Problem
from registry import registration, store
from registry.versions import METRICS_FILE
from scorecard import points
from scorecard.tables import SCORECARD_FILE
from training import canaries, data_profile, evaluate, model_card, plots
from training.dataset import Dataset, Rows
from training.evaluate import Evaluation
from training.scorecard_plots import plot_scorecard
from training.search import SearchResult
from training.threshold import ThresholdRule


@dataclass(frozen=True)
class RegisteredCandidate:
    """The registered version of a candidate, with all metrics of its run."""

    version: ModelVersion
    evaluation: Evaluation
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class TrainingContext:
    """The training rows as an MLflow data set, and the baselines that candidates should beat."""

    rows: PandasDataset
    base_rate: Mapping[str, Estimate]
    ranking_baselines: Mapping[str, Estimate]

    def baselines(self) -> dict[str, float]:
        prefixed = {f"base_rate_{name}": value for name, value in self.base_rate.items()}
        return flatten_estimates({**prefixed, **self.ranking_baselines})


def training_run(problem: Problem) -> AbstractContextManager[ActiveRun]:
    """Start the run of a training; its name begins with the local time."""
    description = (
        "Choose Model training at the top left. Each run is a training of "
        f"{problem.model_name}; below it are the runs of its candidates and their grid points."
    )
    name, tags = f"{datetime.now().astimezone():%F %R} training", {"problem": problem.name}
    return store.run_in_experiment(problem.name, description, name, tags)


def log_training(data: Dataset, params: Mapping[str, Any]) -> TrainingContext:
    """Log to the active run what all candidates share."""
    rows = {"rows_train": len(data.train), "rows_held_out": len(data.test), "digest": data.digest}
    features = ", ".join(data.problem.feature_names)
    names = {"held_out_by": data.group_column, "features": features}
    mlflow.log_params({**params, **rows, **names})
    base_rate = evaluate.base_rate_metrics(data.base_rate, data.test)
    baselines = evaluate.ranking_baseline_metrics(data.problem, data.test)
    mlflow.log_text(data_profile.render_profile(data), "profile/profile.html")
    for name, figure in plots.data_plots(data.problem, data.raw).items():
        mlflow.log_figure(figure, f"profile/{name}.png")
    train = _mlflow_dataset(data, data.train, "train")
    mlflow.log_input(train, context="training")
    mlflow.log_input(_mlflow_dataset(data, data.test, "held_out"), context="testing")
    return TrainingContext(train, base_rate, baselines)


def register_candidate(
    data: Dataset, evaluation: Evaluation, rule: ThresholdRule, context: TrainingContext, seed: int
) -> RegisteredCandidate:
    """Log a candidate's search and model in a run below the active one, and register the model.

    Raises:
        RegistryError: the pipeline contains a class that is not a stock class.
    """
    result, threshold, name = evaluation.search_result, evaluation.threshold, evaluation.name
    scorecard = evaluation.scorecard
    baselines = model_card.baseline_values(context.base_rate, context.ranking_baselines)
    card = model_card.version_card(data, evaluation, str(rule), baselines)
    tags = {"candidate": name, "problem": data.problem.name}
    run_name = _run_name(evaluation)
    with mlflow.start_run(run_name=run_name, nested=True, tags=tags, description=card) as run:
        params = {"candidate": name, **_with_log10(result.best.params)}
        mlflow.log_params(
            {**params, "decision_threshold": threshold, "threshold_rule": str(rule), "seed": seed}
        )
        _log_grid_points(run, result)
        _log_plots(data, evaluation)
        model = registration.log_model(
            data.problem,
            name,
            result.estimator,
            evaluation.canary_rows,
            threshold=threshold,
            canary=canaries.record_canary(result.estimator, evaluation.canary_rows),
            trained_on=data.trained_on,
            cross_validated_gain=asdict(result.gain),
            params=params,
            extra_files={SCORECARD_FILE: scorecard.to_json()} if scorecard else {},
        )
        megabytes = (Model.load(model.model_uri).model_size_bytes or 0) / 1e6
        metrics = {**evaluation.metrics, "saved_mb": megabytes}
        mlflow.log_metrics(_headline(metrics), model_id=model.model_id, dataset=context.rows)
        mlflow.log_dict({**metrics, **context.baselines()}, METRICS_FILE)
    version_tags = {"candidate": name, "decision_threshold": f"{threshold:.4f}"}
    if result.candidate.is_benchmark:
        version_tags["benchmark"] = "yes"
    version = registration.register(data.problem, model, version_tags, card)
    return RegisteredCandidate(version, evaluation, metrics)


def log_comparison(
    trained: Sequence[RegisteredCandidate],
    best: str,
    reason: str,
    context: TrainingContext,
    data: Dataset,
) -> None:
    """Log to the active run, and to the registered model, which candidate is best, and why."""
    registered = next(r for r in trained if r.evaluation.name == best)
    run = mlflow.active_run()
    started = str(run.info.run_name).removesuffix("training") if run else ""
    name = started + _run_name(registered.evaluation)
    mlflow.set_tags({"best_candidate": best, MLFLOW_RUN_NAME: name})
    mlflow.log_metrics(_headline(registered.metrics))
    base_rate = {name: value.value for name, value in context.base_rate.items()}
    evaluations = {str(r.version.version): r.evaluation for r in trained}
    comparison = model_card.comparison(evaluations, best, reason, base_rate)
    mlflow.set_tag(MLFLOW_RUN_NOTE, comparison)
    registration.describe_model(data.problem, comparison)
    estimates = {r.evaluation.name: r.evaluation.held_out_metrics for r in trained}
    mlflow.log_figure(plots.comparison(estimates, base_rate), "comparison.png")
    probabilities = {r.evaluation.name: r.evaluation.probability for r in trained}
    mlflow.log_figure(plots.calibrations(data.test.label, probabilities), "calibration.png")


def _headline(metrics: Mapping[str, float]) -> dict[str, float]:
    names = catalog.headline_names()
    return {name: value for name, value in metrics.items() if name in names}


def _run_name(evaluation: Evaluation) -> str:
    return f"{evaluation.name}, AUC {evaluation.held_out_metrics['roc_auc'].value:.3f}"


def _log_plots(data: Dataset, evaluation: Evaluation) -> None:
    e, name = evaluation, evaluation.name
    figures = {
        **plots.version_plots(data.problem, name, data.test.label, e.probability, e.threshold),
        "cross_validation": plots.fold_scores(name, e.search_result.fold_scores),
        "permutation_importance": plots.importance(name, e.importance),
    }
    if e.scorecard is None:
        sample = data.test.sample(2 * plots.EFFECT_ROWS, seed=0).features  # some rows have nulls
        effects = plots.effects(name, e.search_result.estimator, sample, data.problem.numbers)
        figures |= {"effects": effects} if effects else {}
    else:
        figures["scorecard"] = plot_scorecard(name, e.scorecard)
        mlflow.log_text(points.to_csv(e.scorecard, points.PointScale()), "scorecard.csv")
    if e.coefficients is not None:
        figures["coefficients"] = plots.coefficients(name, e.coefficients)
        mlflow.log_text(e.coefficients.to_csv(index_label="column"), "coefficients.csv")
    for file, figure in figures.items():
        mlflow.log_figure(figure, f"{file}.png")


def _mlflow_dataset(data: Dataset, rows: Rows, part: str) -> PandasDataset:
    dataset = from_pandas(
        rows.features.assign(label=rows.label.astype(float)),
        source=CodeDatasetSource({"database": data.source}),
        targets="label",
        name=f"{data.problem.name}_{part}",
        digest=data.digest,
    )
    features = registration.signature(data.problem).inputs.inputs
    # MLflow would look at every value of every row to infer the same schema
    dataset.schema = Schema([*features, ColSpec(DataType.double, "label")])
    return dataset


def _with_log10(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the logarithm of C instead, as the axes of MLflow's plots are linear."""
    return {
        ("log10_C" if name == "C" else name): round(math.log10(value), 2) if name == "C" else value
        for name, value in params.items()
    }


def _log_grid_points(run: ActiveRun, result: SearchResult) -> None:
    """Create a finished run for each grid point, so that MLflow can compare and plot them."""
    client, now, candidate = MlflowClient(), int(time.time() * 1000), result.candidate.name
    for point in result.grid_points:
        tags = {MLFLOW_PARENT_RUN_ID: run.info.run_id, "candidate": candidate}
        tags["grid_point"] = "best" if point is result.best else "tried"
        name = f"{candidate}: {point}"
        child = client.create_run(run.info.experiment_id, run_name=name, tags=tags)
        metrics = [Metric(key, value, now, 0) for key, value in point.metrics.items()]
        values = {"candidate": candidate, **_with_log10(point.params)}
        params = [Param(key, str(value)) for key, value in values.items()]
        client.log_batch(child.info.run_id, metrics, params)
        client.set_terminated(child.info.run_id)

"""Write a training into MLflow: one run, a run a candidate under it, a run a grid point below."""

import time
from collections.abc import Mapping
from typing import Any

import mlflow
import numpy as np
from mlflow import ActiveRun, MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from modeling import canaries, evaluate, independence, plots, profile
from modeling.dataset import Dataset, Rows
from modeling.search import Found
from registry import versions


def training(data: Dataset, params: Mapping[str, Any]) -> PandasDataset:
    """Log to the active run what all candidates share; returns the dataset of the training rows."""
    mlflow.log_params(
        {
            **params,
            "rows_train": len(data.train),
            "rows_held_out": len(data.test),
            "held_out_by": data.problem.group_name,
        }
    )
    rate = evaluate.base_rate_metrics(data.train.label, data.test.label)
    mlflow.log_metrics({f"base_rate_{name}": value for name, value in rate.items()})
    mlflow.log_text(profile.page(data), "profile/profile.html")
    for name, figure in plots.data_plots(data.problem, data.raw).items():
        mlflow.log_figure(figure, f"profile/{name}.png")
    train = _dataset(data, data.train, "train")
    mlflow.log_input(train, context="training")
    mlflow.log_input(_dataset(data, data.test, "held_out"), context="testing")
    return train


def candidate(
    data: Dataset, found: Found, train: PandasDataset, seed: int
) -> tuple[ModelVersion, dict[str, float]]:
    """Log a candidate's search and model under the active run, and register the model.

    Returns:
        Its version and its metrics: cross-validated with their intervals (cv_…), on held-out rows
        (test_…), the time for a row and the size of the model.

    Raises:
        DataError: a row's score depends on its batch.
        RegistryError: the pipeline is made of more than stock classes.
    """
    name, threshold = found.candidate.name, found.threshold
    example = canaries.rows(data, found.estimator)
    independence.require(data.problem, name, found.estimator, example)
    canary = canaries.answered(found.estimator, example)
    probability = found.estimator.predict_proba(data.test.features)[:, 1]
    tags = {"candidate": name, "problem": data.problem.name}
    with mlflow.start_run(
        run_name=name, nested=True, tags=tags, description=found.candidate.description
    ) as run:
        params = {"candidate": name, **found.best.params}
        mlflow.log_params({**params, "decision_threshold": threshold, "seed": seed})
        _grid_points(run, found)
        for file, figure in plots.version_plots(
            data.problem, name, data.test.label, probability, threshold
        ).items():
            mlflow.log_figure(figure, f"plots/{file}.png")
        model = versions.log_model(
            data.problem,
            found.estimator,
            example,
            threshold=threshold,
            canary=canary,
            trained_on=data.trained_on,
            params=params,
        )
        scores = _scores(data, found, probability)
        scores |= {
            "single_row_ms": evaluate.single_row_ms(found.estimator, example),
            "saved_mb": (Model.load(model.model_uri).model_size_bytes or 0) / 1e6,
        }
        mlflow.log_metrics(scores, model_id=model.model_id, dataset=train)
    return versions.register(data.problem, model, _tags(run, found, scores)), scores


def _scores(data: Dataset, found: Found, probability: np.ndarray) -> dict[str, float]:
    scores = {k: v for k, v in found.best.metrics.items() if k.startswith("cv_")}
    for metric, spread in found.best.scores.items():
        scores |= {
            f"cv_{metric}_se": spread.standard_error,
            f"cv_{metric}_low": spread.low,
            f"cv_{metric}_high": spread.high,
        }
    test = evaluate.metrics(
        data.test.label, probability, found.threshold, data.problem.former_threshold
    )
    return {**scores, **{f"test_{metric}": value for metric, value in test.items()}}


def _tags(run: ActiveRun, found: Found, scores: Mapping[str, float]) -> dict[str, str]:
    """A version's tags: what promote.py chooses by, and what people look for in the list."""
    return {
        "candidate": found.candidate.name,
        "training_run": run.data.tags[MLFLOW_PARENT_RUN_ID],
        "cv_log_loss": f"{scores['cv_log_loss']:.6f}",
        "cv_log_loss_se": f"{scores['cv_log_loss_se']:.6f}",
        "single_row_ms": f"{scores['single_row_ms']:.2f}",
        "decision_threshold": f"{found.threshold:.4f}",
    }


def _dataset(data: Dataset, rows: Rows, part: str) -> PandasDataset:
    return from_pandas(
        rows.features.assign(label=rows.label.astype(float)),
        source=CodeDatasetSource({"database": data.source}),
        targets="label",
        name=f"{data.problem.name}_{part}",
        digest=data.digest,
    )


def _grid_points(run: ActiveRun, found: Found) -> None:
    """One finished run for each grid point, so that the UI can compare and plot them."""
    client, now = MlflowClient(), int(time.time() * 1000)
    for point in found.points:
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
                for key, value in {"candidate": found.candidate.name, **point.params}.items()
            ],
            tags=[RunTag("candidate", found.candidate.name)],
        )
        client.set_terminated(child.info.run_id)

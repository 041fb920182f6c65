"""Write a training into MLflow: one run, a run a candidate under it, a run a grid point below."""

import time
from collections.abc import Mapping
from typing import Any

import mlflow
import pandas as pd
from mlflow import ActiveRun, MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import PandasDataset, from_pandas
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from modeling import evaluate, plots, profile
from modeling.dataset import Dataset, Rows
from modeling.search import Found
from registry import canary, versions
from registry.canary import Canary


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
        Its version and its metrics, cross-validated (cv_…) and on held-out rows (test_…).
    """
    name, threshold = found.candidate.name, found.threshold
    tags = {"candidate": name, "problem": data.problem.name}
    with mlflow.start_run(
        run_name=name, nested=True, tags=tags, description=found.candidate.description
    ) as run:
        params = {"candidate": name, **found.best.params}
        mlflow.log_params({**params, "decision_threshold": threshold, "seed": seed})
        _grid_points(run, found)
        probability = found.estimator.predict_proba(data.test.features)[:, 1]
        test = evaluate.metrics(data.test.label, probability, threshold)
        for file, figure in plots.version_plots(
            data.problem, name, data.test.label, probability, threshold
        ).items():
            mlflow.log_figure(figure, f"plots/{file}.png")
        example, made_up = _canary(data, found.estimator)
        model = versions.log_model(
            data.problem,
            found.estimator,
            example,
            threshold=threshold,
            canary=made_up,
            trained_on=data.trained_on,
            params=params,
        )
        scores = {k: v for k, v in found.best.metrics.items() if k.startswith("cv_")}
        scores |= {f"test_{metric}": value for metric, value in test.items()}
        mlflow.log_metrics(scores, model_id=model.model_id, dataset=train)
    version = versions.register(
        data.problem,
        model,
        {
            "candidate": name,
            "training_run": run.data.tags[MLFLOW_PARENT_RUN_ID],
            "cv_log_loss": f"{scores['cv_log_loss']:.6f}",
            "decision_threshold": f"{threshold:.4f}",
        },
    )
    return version, scores


def _canary(data: Dataset, estimator: Any) -> tuple[pd.DataFrame, Canary]:
    """Made-up rows, which are the model's input example too, and what it answers to them."""
    rows = canary.rows(data.problem, data.train.features)
    frame = pd.DataFrame(rows, columns=data.problem.feature_names, dtype=object)
    frame = frame.astype(dict.fromkeys(data.problem.numbers, "float64"))
    return frame, Canary(rows, estimator.predict_proba(frame)[:, 1].tolist())


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

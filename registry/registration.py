"""Log a fitted pipeline, and register it as a version of the problem's registered model."""

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version as installed
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.utils.logging_utils import disable_logging, enable_logging

from problems import Problem
from registry.canary import CanaryRows
from registry.model_files import DIGEST_TAG, model_digests, types_to_trust
from registry.store import translate_mlflow_errors
from registry.versions import TrainingSnapshot

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.model import ModelInfo

SERVING_PACKAGES = ("mlflow", "scikit-learn", "skops", "numpy", "scipy", "pandas", "pyarrow")


def signature(problem: Problem) -> ModelSignature:
    """Build the signature; numbers are doubles, so nulls are allowed and 3.9 is not truncated."""
    types = {"number": DataType.double, "text": DataType.string}
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(types[feature.kind], feature.name) for feature in problem.features
    ]
    probabilities = TensorSpec(np.dtype("float64"), (-1, 2))
    return ModelSignature(inputs=Schema(columns), outputs=Schema([probabilities]))


def log_model(
    problem: Problem,
    name: str,
    estimator: Any,
    example: "pd.DataFrame",
    *,
    threshold: float,
    canary: CanaryRows,
    trained_on: TrainingSnapshot,
    cross_validated_gain: Mapping[str, Any],
    params: Mapping[str, Any],
    extra_files: Mapping[str, str] = MappingProxyType({}),
) -> "ModelInfo":
    """Log a fitted pipeline to the active run, with the metadata that clients need.

    `extra_files` maps names to contents of files to store with the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in extra_files]
        for path in paths:
            path.write_text(extra_files[path.name])
        info: ModelInfo = mlflow.sklearn.log_model(
            estimator,
            name=name,
            signature=signature(problem),
            input_example=example,
            pyfunc_predict_fn="predict_proba",
            pip_requirements=[f"{package}=={installed(package)}" for package in SERVING_PACKAGES],
            skops_trusted_types=types_to_trust(estimator),
            params=dict(params),
            extra_files=list(map(str, paths)) or None,
            metadata={
                "problem": problem.name,
                "features": problem.feature_names,
                "decision_threshold": threshold,
                "canary": asdict(canary),
                "trained_on": asdict(trained_on),
                "cross_validated_gain": dict(cross_validated_gain),
            },
        )
    return info


def register(
    problem: Problem, model: "ModelInfo", tags: Mapping[str, str], description: str
) -> ModelVersion:
    """Register a logged model as the next version of the problem's registered model."""
    client, name = MlflowClient(), problem.model_name
    with translate_mlflow_errors():
        with contextlib.suppress(MlflowException):  # it exists
            client.create_registered_model(name)
        disable_logging()  # MLflow would print two lines for each version
        try:
            tags = {**tags, DIGEST_TAG: model_digests(model)}
            version = mlflow.register_model(model.model_uri, name, tags=tags)
        finally:
            enable_logging()
        return client.update_model_version(name, version.version, description)


def describe_model(problem: Problem, latest_training: str) -> None:
    """Describe the problem's registered model, with a summary of its latest training."""
    about = (
        f"Predicts the probability of {problem.outcome_labels[1]!r} ({problem.name}). The alias "
        "`champion` marks the version to serve, `previous` the champion before it, and "
        "`challenger` the version that was judged last, or the second best. Benchmark models get "
        f"no alias.\n\n**Latest training.** {latest_training}"
    )
    with translate_mlflow_errors():
        MlflowClient().update_registered_model(problem.model_name, about)

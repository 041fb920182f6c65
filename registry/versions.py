"""Versions of a registered model: log, register and resolve them."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from cli import one_line
from problems import Problem
from registry.canary import CanaryRows
from registry.model_files import FILES_DIGEST_TAG, digest_tags, read_mlmodel, types_to_trust
from registry.store import RegistryError, translate_mlflow_errors, uri_without_password

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.model import ModelInfo

SERVING_PACKAGES = ("mlflow", "scikit-learn", "skops", "numpy", "scipy", "pandas", "pyarrow")


@dataclass(frozen=True)
class TrainingSnapshot:
    """The database that a version was trained on, and the latest load that it contained."""

    database_id: str
    last_load: int

    def last_load_in(self, database_id: str) -> int | None:
        """Return the latest load that was trained on if this is the same database, else None."""
        return self.last_load if database_id == self.database_id else None


@dataclass(frozen=True)
class RegisteredVersion:
    """A registered model version with what is needed to serve it and to score with it."""

    name: str
    number: str
    logged_model_id: str
    threshold: float
    canary: CanaryRows
    trained_on: TrainingSnapshot
    cross_validated_gain: Mapping[str, Any]  # over the base rate; {} in releases before 0.2.0
    registry: str
    problem: str
    features: tuple[str, ...]  # in the order of the canary rows' values
    files_digest: str  # of the model's files; "" if the version was registered without one

    @property
    def model_id(self) -> str:
        return f"{self.name}/{self.number}"

    @property
    def uri(self) -> str:
        return f"models:/{self.model_id}"

    def decide(self, probabilities: np.ndarray, labels: tuple[str, str]) -> np.ndarray:
        """Return the second label for probabilities at or above the threshold, else the first."""
        return np.where(probabilities >= self.threshold, labels[1], labels[0])


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
    estimator: Any,
    example: "pd.DataFrame",
    *,
    threshold: float,
    canary: CanaryRows,
    trained_on: TrainingSnapshot,
    cross_validated_gain: Mapping[str, Any],
    params: Mapping[str, Any],
) -> "ModelInfo":
    """Log a fitted pipeline to the active run, with the metadata that clients need."""
    info: ModelInfo = mlflow.sklearn.log_model(
        estimator,
        name="model",
        signature=signature(problem),
        input_example=example,
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[f"{package}=={installed(package)}" for package in SERVING_PACKAGES],
        skops_trusted_types=types_to_trust(estimator),
        params=dict(params),
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
    with translate_mlflow_errors():
        tags = {**tags, **digest_tags(model)}
        version = mlflow.register_model(model.model_uri, problem.model_name, tags=tags)
        return MlflowClient().update_model_version(version.name, version.version, description)


def resolve(client: MlflowClient, uri: str) -> RegisteredVersion:
    """Look up the version that `models:/name@alias` or `models:/name/number` currently names.

    Raises:
        RegistryError: the URI has another form, the version does not exist, or it was not
            registered by this project's train.py.
    """
    match = re.fullmatch(r"(?:models:/)?([^/@]+)(?:@([^/@]+)|/(\d+))", uri)
    if not match:
        raise RegistryError(
            f"{uri!r} does not name a version: use models:/name@alias or models:/name/number."
        )
    name, alias, number = match.groups()
    try:
        if alias:
            registered = client.get_model_version_by_alias(name, alias)
        else:
            registered = client.get_model_version(name, number)
    except MlflowException as error:
        raise RegistryError(
            f"{uri_without_password()} has no version {uri}: choose a version that `mlflow ui` "
            "lists, or run `python train.py` and `python promote.py` for the same --problem."
        ) from error
    with translate_mlflow_errors():
        return _read_version(registered)


def _read_version(registered: ModelVersion) -> RegisteredVersion:
    model_id = f"{registered.name}/{registered.version}"
    try:
        model = read_mlmodel(registered)
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"The artifacts of {model_id} cannot be read ({one_line(str(error), 200)}): restore "
            "them, or promote another version with `python promote.py --to NUMBER`."
        ) from error
    metadata = model.metadata or {}
    try:
        threshold, features = metadata["decision_threshold"], metadata["features"]
        texts = [metadata["problem"], *features]
        if not isinstance(threshold, float) or not all(isinstance(text, str) for text in texts):
            raise TypeError
        return RegisteredVersion(
            name=registered.name,
            number=str(registered.version),
            logged_model_id=str(model.model_id),
            threshold=threshold,
            canary=CanaryRows(**metadata["canary"]),
            trained_on=TrainingSnapshot(**metadata["trained_on"]),
            cross_validated_gain=dict(metadata.get("cross_validated_gain", {})),
            registry=uri_without_password(),
            problem=metadata["problem"],
            features=tuple(features),
            files_digest=registered.tags.get(FILES_DIGEST_TAG, ""),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"{model_id} has no decision threshold or no canary rows: train and register it with "
            "this project's train.py."
        ) from error


def problem_for_version(version: RegisteredVersion, problem: Problem) -> Problem:
    """Return the problem with exactly the features that a version was trained on.

    Raises:
        RegistryError: the version was trained for another problem, or on columns that the problem
            no longer has.
    """
    if version.problem != problem.name:
        raise RegistryError(
            f"{version.model_id} was trained for {version.problem}, not for {problem.name}: "
            "choose that problem with --problem, or another version with --model."
        )
    fitted = problem.with_optional_columns(
        name for name in version.features if name in problem.optional_columns
    )
    if version.features != tuple(fitted.feature_names):
        raise RegistryError(
            f"{version.model_id} was trained on {', '.join(version.features)}, but {problem.name} "
            f"now has {', '.join(problem.feature_names)}: train and promote again."
        )
    return fitted


def latest_training_versions(client: MlflowClient, problem: Problem) -> list[ModelVersion]:
    """Return the versions that the latest finished training of the problem registered.

    Raises:
        RegistryError: no version was registered yet, or no training has finished.
    """
    with translate_mlflow_errors():
        registered = client.search_model_versions(f"name = '{problem.model_name}'")
    trained = [version for version in registered if "training_run" in version.tags]
    if not trained:
        raise RegistryError(
            f"{uri_without_password()} has no version of {problem.model_name}: "
            "run `python train.py` first."
        )
    newest_first = sorted(trained, key=lambda version: int(version.version), reverse=True)
    for training in dict.fromkeys(version.tags["training_run"] for version in newest_first):
        if _has_finished(client, training):  # otherwise, some candidates are missing
            return [v for v in reversed(newest_first) if v.tags["training_run"] == training]
    raise RegistryError(
        f"No training of {problem.model_name} in {uri_without_password()} has finished: "
        "run `python train.py` again."
    )


def _has_finished(client: MlflowClient, run_id: str) -> bool:
    try:
        return bool(client.get_run(run_id).info.status == "FINISHED")
    except MlflowException:  # the run was deleted permanently
        return False


def get_version(client: MlflowClient, name: str, number: str) -> ModelVersion:
    """Return the version with this number; raises RegistryError if it does not exist."""
    try:
        return client.get_model_version(name, number)
    except MlflowException as error:
        raise RegistryError(f"{uri_without_password()} has no version {name}/{number}.") from error

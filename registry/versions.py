"""Versions of a registered model: log one, register it, find one, move an alias."""

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

from problems import Problem
from registry.canary import CanaryRows
from registry.model_files import FILES_DIGEST_TAG, digest_tags, read_mlmodel, types_to_trust
from registry.store import RegistryError, translate_mlflow_errors, uri_without_password

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.model import ModelInfo

SERVED_WITH = ("mlflow", "scikit-learn", "skops", "numpy", "scipy", "pandas", "pyarrow")


@dataclass(frozen=True)
class TrainingSnapshot:
    """Which rows a version may have learned from: those of this database up to this load."""

    database_id: str
    last_load: int

    def last_load_in(self, database_id: str) -> int | None:
        """The last load that it may have learned from, if that database is the one; else None."""
        return self.last_load if database_id == self.database_id else None


@dataclass(frozen=True)
class RegisteredVersion:
    """A registered version, as results refer to it."""

    name: str
    number: str
    logged_model_id: str
    threshold: float
    canary: CanaryRows
    trained_on: TrainingSnapshot
    registry: str
    problem: str
    features: tuple[str, ...]  # in the order of the canary rows' values
    files_digest: str  # of the model's files; "" where the version was registered without one

    @property
    def model_id(self) -> str:
        return f"{self.name}/{self.number}"

    @property
    def uri(self) -> str:
        return f"models:/{self.model_id}"

    def decide(self, probabilities: np.ndarray, words: tuple[str, str]) -> np.ndarray:
        """The word for each probability: the first below the threshold, the second from it on."""
        return np.where(probabilities >= self.threshold, words[1], words[0])


def signature(problem: Problem) -> ModelSignature:
    """The served row: every number a double, so that a null is allowed and 3.9 stays 3.9."""
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
    params: Mapping[str, Any],
) -> "ModelInfo":
    """Log a fitted pipeline to the active run, with all that a client needs as its metadata."""
    return mlflow.sklearn.log_model(
        estimator,
        name="model",
        signature=signature(problem),
        input_example=example,
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[f"{package}=={installed(package)}" for package in SERVED_WITH],
        skops_trusted_types=types_to_trust(estimator),
        params=dict(params),
        metadata={
            "problem": problem.name,
            "features": problem.feature_names,
            "decision_threshold": threshold,
            "canary": asdict(canary),
            "trained_on": asdict(trained_on),
        },
    )


def register(
    problem: Problem, model: "ModelInfo", tags: Mapping[str, str], text: str
) -> ModelVersion:
    """Make a logged model the next version of the problem's registered model."""
    with translate_mlflow_errors():
        tags = {**tags, **digest_tags(model)}
        made = mlflow.register_model(model.model_uri, problem.model_name, tags=tags)
        return MlflowClient().update_model_version(made.name, made.version, text)


def resolve(client: MlflowClient, uri: str) -> RegisteredVersion:
    """The version that `models:/name@alias` or `models:/name/number` means at this moment.

    Raises:
        RegistryError: the address is not of that form, or there is no such version, or it was not
            registered by this project's train.py.
    """
    match = re.fullmatch(r"(?:models:/)?([^/@]+)(?:@([^/@]+)|/(\d+))", uri)
    if not match:
        raise RegistryError(
            f"{uri!r} does not name a version: give models:/name@alias or models:/name/number."
        )
    name, alias, number = match.groups()
    try:
        if alias:
            found = client.get_model_version_by_alias(name, alias)
        else:
            found = client.get_model_version(name, number)
    except MlflowException as error:
        raise RegistryError(
            f"{uri_without_password()} has no version {uri}: see in `mlflow ui` which there are, "
            "or train and promote one with `python train.py` and `python promote.py`, for the same "
            "--problem."
        ) from error
    with translate_mlflow_errors():
        return _version(found)


def _version(found: ModelVersion) -> RegisteredVersion:
    try:
        model = read_mlmodel(found)
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"The artifacts of {found.name}/{found.version} cannot be read "
            f"({' '.join(str(error).split())[:200].rstrip('.')}): bring them back, or have another "
            "version serve with `python promote.py --to NUMBER`."
        ) from error
    metadata = model.metadata or {}
    try:
        threshold, features = metadata["decision_threshold"], metadata["features"]
        texts = [metadata["problem"], *features]
        if not isinstance(threshold, float) or not all(isinstance(text, str) for text in texts):
            raise TypeError
        return RegisteredVersion(
            name=found.name,
            number=str(found.version),
            logged_model_id=str(model.model_id),
            threshold=threshold,
            canary=CanaryRows(**metadata["canary"]),
            trained_on=TrainingSnapshot(**metadata["trained_on"]),
            registry=uri_without_password(),
            problem=metadata["problem"],
            features=tuple(features),
            files_digest=found.tags.get(FILES_DIGEST_TAG, ""),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"{found.name}/{found.version} carries no decision threshold and canary rows: "
            "register versions with this project's train.py."
        ) from error


def problem_for_version(version: RegisteredVersion, problem: Problem) -> Problem:
    """The problem with the features that a version was trained on.

    Raises:
        RegistryError: it was trained for another problem, or on features that this one has not.
    """
    if version.problem != problem.name:
        raise RegistryError(
            f"{version.model_id} was trained for {version.problem}, not for {problem.name}: name "
            "the problem with --problem, or another version with --model."
        )
    found = problem.with_optional_columns(
        name for name in version.features if name in problem.optional_columns
    )
    if version.features != tuple(found.feature_names):
        raise RegistryError(
            f"{version.model_id} was trained on {', '.join(version.features)}, but {problem.name} "
            f"now has {', '.join(problem.feature_names)}: train and promote again."
        )
    return found


def latest_training_versions(client: MlflowClient, problem: Problem) -> list[ModelVersion]:
    """The versions that the latest finished training of the problem registered.

    Raises:
        RegistryError: none was registered yet, or no training was finished.
    """
    with translate_mlflow_errors():
        found = client.search_model_versions(f"name = '{problem.model_name}'")
    ours = [version for version in found if "training_run" in version.tags]
    if not ours:
        raise RegistryError(
            f"{uri_without_password()} has no version of {problem.model_name}: "
            "run `python train.py` first."
        )
    newest_first = sorted(ours, key=lambda version: int(version.version), reverse=True)
    for training in dict.fromkeys(version.tags["training_run"] for version in newest_first):
        if _finished(client, training):  # one that was stopped has not all its candidates
            return [v for v in reversed(newest_first) if v.tags["training_run"] == training]
    raise RegistryError(
        f"No training of {problem.model_name} in {uri_without_password()} was finished: "
        "run `python train.py` to its end."
    )


def _finished(client: MlflowClient, run_id: str) -> bool:
    try:
        return bool(client.get_run(run_id).info.status == "FINISHED")
    except MlflowException:  # it was deleted for good
        return False


def get_version(client: MlflowClient, name: str, number: str) -> ModelVersion:
    """The version with this number.

    Raises:
        RegistryError: there is none.
    """
    try:
        return client.get_model_version(name, number)
    except MlflowException as error:
        raise RegistryError(f"{uri_without_password()} has no version {name}/{number}.") from error

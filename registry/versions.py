"""Versions of a registered model: look them up, and read what they were registered with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from cli import one_line
from problems import Problem
from registry.canary import CanaryRows
from registry.model_files import read_mlmodel, registered_digests
from registry.store import RegistryError, translate_mlflow_errors, uri_without_password

METRICS_FILE = "metrics.json"  # artifact of a run: all metrics, of which the run shows some


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
            files_digest=registered_digests(registered)[1],
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
    if not registered:
        raise RegistryError(
            f"{uri_without_password()} has no version of {problem.model_name}: "
            "run `python train.py` first."
        )
    by_number = sorted(registered, key=lambda version: int(version.version))
    unfinished = set()
    for version in reversed(by_number):
        training = training_run(client, version)
        if training is None or training.info.run_id in unfinished:
            continue
        if training.info.status == "FINISHED":  # otherwise, some candidates are missing
            runs = child_runs(client, training)
            return [v for v in by_number if v.run_id in runs]
        unfinished.add(training.info.run_id)
    raise RegistryError(
        f"No training of {problem.model_name} in {uri_without_password()} has finished: "
        "run `python train.py` again."
    )


def page(name: str, number: str) -> str:
    """Return the page of a version in MLflow's UI, for `store.ui_url`."""
    return f"models/{name}/versions/{number}"


def find_run(client: MlflowClient, run_id: str | None) -> Run | None:
    """Return a run, or None if it was deleted for good.

    Raises:
        RegistryError: MLflow's store cannot be read.
    """
    with translate_mlflow_errors():
        try:
            return client.get_run(str(run_id))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return None


def training_run(client: MlflowClient, version: ModelVersion) -> Run | None:
    """Return the run of the training that registered a version; None if there is none any more."""
    run = find_run(client, version.run_id)
    training = run.data.tags.get(MLFLOW_PARENT_RUN_ID) if run else None
    return find_run(client, training) if training else None


def all_metrics(version: ModelVersion) -> dict[str, float]:
    """Return all metrics of a version, with those of the base rate and of simple orders."""
    with translate_mlflow_errors():
        return dict(mlflow.artifacts.load_dict(f"runs:/{version.run_id}/{METRICS_FILE}"))


def child_runs(client: MlflowClient, run: Run) -> set[str]:
    """Return the ids of the runs below a run, deleted ones included."""
    children = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run.info.run_id}'"
    runs = client.search_runs([run.info.experiment_id], children, ViewType.ALL)
    return {child.info.run_id for child in runs}


def get_version(client: MlflowClient, name: str, number: str) -> ModelVersion:
    """Return the version with this number; raises RegistryError if it does not exist."""
    try:
        return client.get_model_version(name, number)
    except MlflowException as error:
        raise RegistryError(f"{uri_without_password()} has no version {name}/{number}.") from error

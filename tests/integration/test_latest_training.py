"""promote.py uses the latest training that has finished and was not deleted."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

import problems
from registry.store import RegistryError
from registry.versions import latest_training_versions
from tests.support.empty_store import copy_empty_store

PROBLEM = problems.load()


@pytest.fixture
def client(shared_folder: Path, tmp_path: Path) -> MlflowClient:
    mlflow.set_tracking_uri(copy_empty_store(shared_folder, tmp_path / "mlflow.db"))
    client = MlflowClient()
    client.create_registered_model(PROBLEM.model_name)
    return client


def register(client: MlflowClient, training: str) -> int:
    run = client.create_run("0", tags={"mlflow.parentRunId": training})
    version = client.create_model_version(
        PROBLEM.model_name, "file:///nowhere", run_id=run.info.run_id
    )
    return int(version.version)


def test_unfinished_and_deleted_trainings_are_skipped(client: MlflowClient) -> None:
    finished = client.create_run("0").info.run_id
    client.set_terminated(finished)
    oldest = register(client, finished)
    register(client, client.create_run("0").info.run_id)  # still running
    register(client, "0" * 32)  # its run was deleted permanently
    assert [int(version.version) for version in latest_training_versions(client, PROBLEM)] == [
        oldest
    ]


def test_without_a_finished_training_the_error_says_so(client: MlflowClient) -> None:
    register(client, "0" * 32)
    with pytest.raises(RegistryError, match=r"No training .* has finished"):
        latest_training_versions(client, PROBLEM)


def test_a_store_that_cannot_be_read_is_an_error_and_not_a_deleted_training(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(client, client.create_run("0").info.run_id)

    def fail(_client: MlflowClient, _run_id: str) -> None:
        raise MlflowException("no connection")

    monkeypatch.setattr(MlflowClient, "get_run", fail)
    with pytest.raises(RegistryError, match="no connection"):
        latest_training_versions(client, PROBLEM)

"""Trainings of the tiny problem on few rows, for tests that need a training of their own."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

import problems
import promote
import train
from registry import versions
from tests.support.datasets import TINY_PROBLEM, generated_rows
from tests.support.empty_store import copy_empty_store
from tests.support.scripts import run_main
from training import flat_file

PROBLEM = problems.load(str(TINY_PROBLEM))
LABEL = "clicked"
SMALL = ("--problem", TINY_PROBLEM, "--folds", 2, "--repeats", 1, "--jobs", 1)


@pytest.fixture
def client(shared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A client of a new store; MLFLOW_TRACKING_URI holds its address."""
    uri = copy_empty_store(shared_folder, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return MlflowClient(uri)


def latest_version(client: MlflowClient) -> ModelVersion:
    registered = client.search_model_versions(f"name = '{PROBLEM.model_name}'")
    return max(registered, key=lambda version: int(version.version))


def run_of(client: MlflowClient, version: ModelVersion) -> Run:
    return client.get_run(str(version.run_id))


def training_of(client: MlflowClient, version: ModelVersion) -> Run:
    run = versions.training_run(client, version)
    assert run
    return run


def test_a_flat_file_trains_a_version_that_can_be_promoted(client: MlflowClient) -> None:
    rows = generated_rows(4_000, seed=1)
    clicked, others = rows[rows[LABEL]], rows[~rows[LABEL]]
    half = pd.concat([clicked, others.sample(len(clicked), random_state=0)])
    half[[*PROBLEM.feature_names, LABEL]].to_parquet("rows.parquet", index=False)
    flags = ("--table", "rows.parquet", "--label", LABEL)
    assert run_main(train.main, *SMALL, *flags) == 0
    version = latest_version(client)
    metrics = versions.all_metrics(version)
    for name in ("accuracy", "accuracy_at_half", "balanced_accuracy_at_half"):
        assert f"test_{name}_low" in metrics
    assert "test_ndcg" not in metrics  # it is unknown which rows compete
    assert float(version.tags["decision_threshold"]) > 0.2
    params = training_of(client, version).data.params
    assert params["held_out_by"] == "content"
    assert int(params["rows_train"]) + int(params["rows_held_out"]) == len(half)
    assert run_main(promote.main, "--problem", TINY_PROBLEM, *flags) == 0
    champion = versions.resolve(client, f"models:/{PROBLEM.model_name}@champion")
    assert champion.number == str(version.version)
    served = mlflow.pyfunc.load_model(champion.uri)
    answers = served.predict(half[PROBLEM.feature_names].head())[:, 1]
    assert ((answers > 0) & (answers < 1)).all()


def test_changing_held_out_rows_does_not_change_what_training_chooses(client: MlflowClient) -> None:
    rows = generated_rows(1_000, seed=4)
    rows.to_csv("rows.csv", index=False)
    held_out = flat_file.read(Path("rows.csv"), LABEL, PROBLEM).held_out_mask
    rng = np.random.default_rng(0)
    rows.loc[held_out, "apr"] = rng.uniform(5, 300, held_out.sum()).round(2)
    rows.loc[held_out, "credit"] = "a new category"
    rows.loc[held_out, LABEL] = rng.random(held_out.sum()) < 0.3
    rows.to_csv("changed.csv", index=False)
    trained = []
    for file in ("rows.csv", "changed.csv"):
        assert run_main(train.main, *SMALL, "--table", file, "--label", LABEL) == 0
        trained.append(latest_version(client))
    first, second = (run_of(client, version).data for version in trained)
    assert second.params == first.params  # the grid point, the threshold
    cv_first, cv_second = (
        {name: value for name, value in run.metrics.items() if name.startswith("cv_")}
        for run in (first, second)
    )
    assert cv_second == cv_first
    assert first.metrics["test_log_loss"] != second.metrics["test_log_loss"]
    sample = rows[PROBLEM.feature_names].head(50)
    answers = [
        mlflow.pyfunc.load_model(f"models:/{PROBLEM.model_name}/{version.version}").predict(sample)
        for version in trained
    ]
    assert (answers[0] == answers[1]).all()


def test_a_quick_search_uses_a_sample_and_the_threshold_has_the_given_rate(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "QUICK_ROWS", 2_500)
    generated_rows(2_000, seed=4).to_parquet("rows.parquet", index=False)
    flags = ("--problem", TINY_PROBLEM, "--table", "rows.parquet", "--label", LABEL, "--jobs", 1)
    rule = ("--threshold-rule", "rate", "--rate", 0.05)
    assert run_main(train.main, *flags, "--quick", *rule) == 0
    version = latest_version(client)
    training, run = training_of(client, version).data, run_of(client, version).data
    assert 2_000 < int(training.params["rows_searched"]) < 3_000
    assert int(training.params["rows_train"]) > 6_000
    assert training.params["folds"] == "3"
    assert training.params["repeats"] == "1"
    assert run.params["threshold_rule"] == "positive rate of 5.00%"
    share_of_yes = (
        run.metrics["test_recall"] * versions.all_metrics(version)["base_rate_average_precision"]
    ) / run.metrics["test_precision"]
    assert share_of_yes == pytest.approx(0.05, abs=0.02)

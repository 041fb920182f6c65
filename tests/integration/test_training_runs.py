"""A training logs runs, metrics, plots and pages to MLflow."""

import re
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model

from metrics import catalog
from registry import versions
from tests.support.project import MODEL, SAMPLE, SAMPLE_OFFERS
from tests.support.trained import TrainedStore

CANDIDATES = {"logistic_plain", "logistic_engineered", "boosted_trees"}
BENCHMARK = "boosted_trees"
CV = {f"cv_{name}" for name in ("log_loss", "roc_auc", "gain")}
TEST = {f"test_{name}" for name in ("log_loss", "roc_auc", "average_precision", "recall")}


@pytest.fixture
def client(use_trained: TrainedStore) -> MlflowClient:
    mlflow.set_tracking_uri(use_trained.tracking_uri)  # Model.load uses the last one set
    return MlflowClient(use_trained.tracking_uri)


@pytest.fixture
def training(client: MlflowClient) -> Run:
    """The run of the training that registered the versions."""
    version, *_ = versions_by_candidate(client).values()
    run = versions.training_run(client, version)
    assert run
    return run


def versions_by_candidate(client: MlflowClient) -> dict[str, ModelVersion]:
    registered = client.search_model_versions(f"name = '{MODEL}'")
    return {version.tags["candidate"]: version for version in registered}


def children(client: MlflowClient, parent: Run) -> list[Run]:
    runs_of_parent = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    return list(client.search_runs([parent.info.experiment_id], runs_of_parent))


def files(client: MlflowClient, run: Run, folder: str) -> set[str]:
    return {artifact.path for artifact in client.list_artifacts(run.info.run_id, folder)}


def test_a_training_has_a_run_for_each_candidate_and_each_grid_point(
    client: MlflowClient, training: Run
) -> None:
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d logistic_engineered, AUC 0.\d{3}", str(training.info.run_name)
    )
    experiment = client.get_experiment_by_name("offer_click")
    assert experiment
    assert training.info.experiment_id == experiment.experiment_id
    candidates = children(client, training)
    assert {run.data.tags["candidate"] for run in candidates} == CANDIDATES
    for run in candidates:
        name = run.data.tags["candidate"]
        assert run.info.run_name == f"{name}, AUC {run.data.metrics['test_roc_auc']:.3f}"
        points = children(client, run)
        assert len(points) >= 4
        assert {point.info.status for point in points} == {"FINISHED"}
        assert all(point.data.metrics.keys() >= CV for point in points)
        searched = {"l2_regularization"} if name == BENCHMARK else {"log10_C"}
        assert all(searched <= point.data.params.keys() for point in points)
        best = min(points, key=lambda point: point.data.metrics["cv_log_loss"])
        assert best.data.tags["grid_point"] == "best"
        assert best.data.params.items() <= run.data.params.items()
        assert run.data.metrics["cv_log_loss"] == best.data.metrics["cv_log_loss"]


def test_the_runs_of_the_project_and_the_training_refer_to_each_other(
    client: MlflowClient, training: Run
) -> None:
    (project_run,) = client.search_runs(["0"])
    assert project_run.info.status == "FINISHED"
    assert project_run.data.tags["offer_click_run"] == training.info.run_id
    assert training.data.tags["project_run"] == project_run.info.run_id


def test_metrics_and_parameters_belong_to_the_right_model(client: MlflowClient) -> None:
    for name, version in versions_by_candidate(client).items():
        run = client.get_run(str(version.run_id))
        assert run.data.metrics.keys() == catalog.headline_names() >= CV | TEST
        loaded = Model.load(f"models:/{MODEL}/{version.version}")
        model = client.get_logged_model(str(loaded.model_id))
        assert model.params["candidate"] == model.name == name
        model_metrics = {metric.key: metric.value for metric in model.metrics or []}
        assert {k: v for k, v in model_metrics.items() if k in CV | TEST} == {
            k: v for k, v in run.data.metrics.items() if k in CV | TEST
        }


def test_a_training_logs_its_data_its_plots_and_the_commit(
    client: MlflowClient, training: Run
) -> None:
    columns = {"requested", "annual_income", "apr", "loan_purpose", "credit"}
    profile = {f"profile/{column}.png" for column in columns} | {"profile/profile.html"}
    assert files(client, training, "profile") == profile
    assert len(training.data.tags["mlflow.source.git.commit"]) == 40
    assert training.inputs
    names = {entry.dataset.name for entry in training.inputs.dataset_inputs}
    assert names == {"offer_click_train", "offer_click_held_out"}
    for candidate in children(client, training):
        plots = {
            "roc", "precision_recall", "calibration", "lift", "confusion", "cross_validation",
            "permutation_importance",
        }  # fmt: skip
        if candidate.data.tags["candidate"] == "logistic_plain":
            plots.add("coefficients")
        if candidate.data.tags["candidate"] == "logistic_engineered":
            plots.add("scorecard")
        else:
            plots.add("effects")
        # at the top level, so that MLflow's compare page shows them side by side
        assert {f for f in files(client, candidate, "") if f.endswith("png")} == {
            f"{plot}.png" for plot in plots
        }


def test_the_profile_contains_shares_of_clicks_and_no_real_row(
    client: MlflowClient, training: Run
) -> None:
    page = client.download_artifacts(training.info.run_id, "profile/profile.html")
    text = Path(page).read_text()
    assert f"{SAMPLE_OFFERS:,} rows" in text
    assert "debt_consolidation" in text
    leads = pd.read_parquet(SAMPLE / "ds_leads.parquet.gzip")
    assert not any(uuid in text for uuid in leads["lead_uuid"])


def test_the_page_of_a_training_says_which_candidate_is_best_and_why(
    client: MlflowClient, training: Run
) -> None:
    page = training.data.tags["mlflow.note.content"]
    assert page.startswith("**logistic_engineered** is the best candidate to promote: its cross-")
    registered = versions_by_candidate(client)
    losses = {n: versions.all_metrics(v)["cv_log_loss"] for n, v in registered.items()}
    for name in CANDIDATES:
        starts = (f"| {name}", f"| **{name}")
        (line,) = (line for line in page.splitlines() if line.startswith(starts))
        assert f"| {registered[name].version}" in line
        if name != "logistic_engineered":
            assert f"| {losses[name] - losses['logistic_engineered']:.4f} (" in line
        assert line.count(" to ") == (5 if name == "logistic_engineered" else 6)  # intervals
    assert "(benchmark)" in page
    assert "base rate" in page
    assert "comparison.png" in files(client, training, "")
    assert str(client.get_registered_model(MODEL).description).endswith(page)


def test_coefficients_are_logged_with_the_names_of_their_columns(client: MlflowClient) -> None:
    run_id = str(versions_by_candidate(client)["logistic_plain"].run_id)
    table = pd.read_csv(client.download_artifacts(run_id, "coefficients.csv"))
    assert {"column", "coefficient", "weight"} == set(table.columns)
    names = ["annual_income", "apr", "credit", "loan_purpose", "requested"]
    assert sorted(table["column"]) == names

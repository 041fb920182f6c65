"""Trained models of late loans are small, and are evaluated as rare events require."""

import re
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

import problems
from db.engine import database_url, open_database
from registry import versions
from tests.support.project import LOAN_SAMPLE
from tests.support.source_files import LOANS
from tests.support.trained import TrainedStore
from training import canaries, dataset
from training.dataset import Dataset

PROBLEM = problems.load("loan_risk")
SAMPLE = LOAN_SAMPLE / LOANS
FOREST, LOGISTIC = "random_forest_given", "logistic_binned"
MAX_BYTES = 20e6


@pytest.fixture
def client(loans_trained: TrainedStore) -> MlflowClient:
    mlflow.set_tracking_uri(loans_trained.tracking_uri)
    return MlflowClient()


@pytest.fixture(scope="module")
def data(loans_trained: TrainedStore) -> Dataset:
    with open_database(database_url(str(loans_trained.database))) as engine:
        return dataset.read(engine, PROBLEM)


def versions_by_candidate(client: MlflowClient) -> dict[str, ModelVersion]:
    registered = client.search_model_versions("name = 'loan-risk'")
    return {version.tags["candidate"]: version for version in registered}


def metrics(client: MlflowClient, candidate: str) -> dict[str, float]:
    return versions.all_metrics(versions_by_candidate(client)[candidate])


def test_both_candidates_are_registered_and_the_better_one_is_champion(
    client: MlflowClient,
) -> None:
    registered = versions_by_candidate(client)
    assert registered.keys() == {FOREST, LOGISTIC}
    aliases = client.get_registered_model("loan-risk").aliases
    assert str(aliases["champion"]) == str(registered[LOGISTIC].version)
    assert str(aliases["challenger"]) == str(registered[FOREST].version)
    files = {f.path for f in client.list_artifacts(str(registered[LOGISTIC].run_id))}
    assert {"scorecard.csv", "scorecard.png"} <= files


def test_the_forest_is_searched_with_10_and_100_trees_and_saved_without_threads(
    client: MlflowClient,
) -> None:
    version = versions_by_candidate(client)[FOREST]
    grid_points = client.search_runs(
        [client.get_run(str(version.run_id)).info.experiment_id],
        f"tags.mlflow.parentRunId = '{version.run_id}'",
    )
    assert {"10", "100"} <= {run.data.params["n_estimators"] for run in grid_points}
    model = mlflow.sklearn.load_model(f"models:/loan-risk/{version.version}")
    assert model.named_steps["model"].n_jobs is None
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/loan-risk/{version.version}"))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < MAX_BYTES
    assert metrics(client, FOREST)["saved_mb"] == pytest.approx(size / 1e6, rel=0.05)


def test_the_largest_forest_of_the_grid_stays_small_on_any_table(data: Dataset) -> None:
    rng = np.random.default_rng(0)
    frame = data.train.features.copy()
    for name in PROBLEM.numbers:  # noise, so that trees grow as large as they may
        frame[name] = rng.random(len(frame))
    (forest,) = (c for c in PROBLEM.candidates(data.categories, 0) if c.name == FOREST)
    trees = max(forest.grid["model__n_estimators"])
    fitted = forest.pipeline.set_params(model__n_estimators=trees)
    fitted.fit(frame, rng.integers(0, 2, len(frame)))
    leaves = {tree.get_n_leaves() for tree in fitted.named_steps["model"].estimators_}
    assert leaves == {1_000}  # the limit of a tree, for any number of rows
    assert len(skops.io.dumps(fitted)) < MAX_BYTES


def test_the_time_per_row_is_logged_and_is_longer_for_the_forest(client: MlflowClient) -> None:
    forest, logistic = (metrics(client, name)["single_row_ms"] for name in (FOREST, LOGISTIC))
    assert forest > logistic > 0


def test_metrics_have_intervals_and_the_model_beats_chance(client: MlflowClient) -> None:
    share_of_late = pd.read_csv(SAMPLE)["is_late"].mean()
    for name in (FOREST, LOGISTIC):
        values = metrics(client, name)
        for metric in ("log_loss", "roc_auc", "average_precision", "brier"):
            low, mean, high = (values[f"cv_{metric}{end}"] for end in ("_low", "", "_high"))
            assert low < mean < high
            half_width = values[f"cv_{metric}_se"] * 2.26  # t with 2 x 5 - 1 degrees of freedom
            assert high - mean == pytest.approx(half_width, rel=0.01)
        assert values["cv_roc_auc_low"] > 0.5
        assert values["cv_average_precision"] > share_of_late
    assert metrics(client, LOGISTIC)["cv_roc_auc"] > metrics(client, FOREST)["cv_roc_auc"]


def test_training_prints_decisions_at_the_chosen_and_the_former_threshold(
    client: MlflowClient, loans_trained: TrainedStore
) -> None:
    for name in (FOREST, LOGISTIC):
        values = metrics(client, name)
        threshold = float(versions_by_candidate(client)[name].tags["decision_threshold"])
        for rule, at, suffix in (("chosen", threshold, ""), ("former", 0.1, "_at_former")):
            precision, recall = (values[f"test_{m}{suffix}"] for m in ("precision", "recall"))
            line = rf"{name} +{rule} +{at:.4f} +{precision:.4f} +{recall:.4f}"
            assert re.search(line, loans_trained.output), line


def test_cross_validation_is_repeated_if_there_are_few_late_loans(data: Dataset) -> None:
    assert data.train.label.sum() < 500
    assert data.default_repeats == 5
    common = np.where(np.arange(len(data.raw)) % 2, 1, 0)
    assert replace(data, raw=data.raw.assign(label=common)).default_repeats == 1


def test_canary_rows_distinguish_forests_with_different_seeds(data: Dataset) -> None:
    forests = []
    for seed in range(4):
        (forest,) = (c for c in PROBLEM.candidates(data.categories, seed) if c.name == FOREST)
        small = forest.pipeline.set_params(model__n_estimators=10)
        forests.append(small.fit(data.train.features, data.train.label))
    for forest in forests:
        rows = canaries.make_canary_rows(data, forest)
        canary = canaries.record_canary(forest, rows)
        assert len(set(canary.probabilities)) >= 4  # a forest predicts 0 for most rows
        for other in forests:
            probabilities = other.predict_proba(rows)[:, 1].tolist()
            assert canary.is_answered_by(probabilities) == (other is forest)

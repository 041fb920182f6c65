"""The trained models are as good as expected, and no better than the true probabilities."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from sklearn.metrics import accuracy_score, roc_auc_score

import problems
from db.engine import database_url, open_database
from registry import versions
from tests.support.datasets import generated_rows
from tests.support.project import MODEL, load_generator
from tests.support.trained import TrainedStore
from training import dataset, flat_file, promotion
from training.dataset import Dataset

PROBLEM = problems.load()
SAMPLE_LEADS, SAMPLE_SEED = 10_000, load_generator("offer_click").SAMPLE_SEED


@pytest.fixture(scope="module")
def data(trained: TrainedStore) -> Dataset:
    """The training rows and the held-out rows of the models."""
    with open_database(database_url(str(trained.database))) as engine:
        return dataset.read(engine, PROBLEM)


@pytest.fixture(scope="module")
def runs(trained: TrainedStore) -> dict[str, Run]:
    """The run of each candidate, keyed by its name."""
    client = MlflowClient(trained.tracking_uri)
    registered = client.search_model_versions(f"name = '{MODEL}'")
    return {v.tags["candidate"]: client.get_run(str(v.run_id)) for v in registered}


@pytest.fixture(scope="module")
def probabilities(trained: TrainedStore, data: Dataset) -> dict[str, np.ndarray]:
    """The predictions of each candidate for the training rows, keyed by its name."""
    mlflow.set_tracking_uri(trained.tracking_uri)
    client = MlflowClient()
    return {
        registered.tags["candidate"]: promotion.predict_probabilities(
            versions.resolve(client, f"models:/{MODEL}/{registered.version}"), data.train.features
        )
        for registered in client.search_model_versions(f"name = '{MODEL}'")
    }


def test_no_fitted_model_beats_the_true_probabilities(data: Dataset, runs: dict[str, Run]) -> None:
    truth = generated_rows(SAMPLE_LEADS, SAMPLE_SEED)[["offer_id", "probability"]]
    rows = data.raw[data.held_out_mask].merge(truth, on="offer_id", validate="one_to_one")
    assert len(rows) == len(data.test)
    limit = roc_auc_score(rows["label"], rows["probability"])
    assert len(runs) == 3
    for name, run in runs.items():
        assert 0.55 < run.data.metrics["test_roc_auc"] < limit, name


def test_the_mean_probability_is_the_share_of_clicks(
    data: Dataset, probabilities: dict[str, np.ndarray]
) -> None:
    for name, answers in probabilities.items():
        assert answers.mean() == pytest.approx(data.train.label.mean(), rel=0.05), name


def test_every_model_is_better_than_the_base_rate_model(trained: TrainedStore) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    for version in MlflowClient().search_model_versions(f"name = '{MODEL}'"):
        metrics = versions.all_metrics(version)
        assert metrics["test_log_loss"] < metrics["base_rate_log_loss"], version.tags["candidate"]


def test_engineered_columns_improve_the_model_if_half_of_the_offers_are_clicked() -> None:
    rows = generated_rows(SAMPLE_LEADS, SAMPLE_SEED)
    clicked, others = rows[rows["clicked"]], rows[~rows["clicked"]]
    half = pd.concat([clicked, others.sample(len(clicked), random_state=0)])
    half[[*PROBLEM.feature_names, "clicked"]].to_parquet("rows.parquet", index=False)
    data = flat_file.read(Path("rows.parquet"), "clicked", PROBLEM)
    plain, engineered, _ = PROBLEM.candidates(data.categories, 0)
    auc, accuracy = [], []
    for candidate in (plain, engineered):
        fitted = candidate.pipeline.set_params(model__C=0.03)
        fitted.fit(data.train.features, data.train.label)
        answers = fitted.predict_proba(data.test.features)[:, 1]
        auc.append(roc_auc_score(data.test.label, answers))
        accuracy.append(accuracy_score(data.test.label, answers >= 0.5))
    assert auc[1] > auc[0] + 0.05
    assert accuracy[1] > accuracy[0]

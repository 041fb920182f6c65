"""What a training leaves in MLflow, and that its split and its figures can be trusted."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.models import Model
from sklearn.metrics import roc_auc_score

import ingest
import problems
import train
from db.engine import database_url, opened
from modeling import dataset
from modeling.threshold import Rule
from problems.split import HELD_OUT_SHARE, held_out
from registry import versions
from tests.helpers import PROJECT, SAMPLE, Trained, run_main, run_script, wait_for

CANDIDATES = {"logistic_plain", "logistic_engineered", "boosted_trees"}
YARDSTICK = "boosted_trees"
CV = {f"cv_{name}" for name in ("log_loss", "roc_auc", "average_precision", "brier")}
TEST = {
    f"test_{name}" for name in ("log_loss", "roc_auc", "average_precision", "brier", "accuracy")
}


@pytest.fixture
def client(trained: Trained) -> MlflowClient:
    mlflow.set_tracking_uri(trained.tracking_uri)
    return MlflowClient()


def runs(client: MlflowClient, text: str = "") -> list[Run]:
    experiment = client.get_experiment_by_name("offer_click")
    assert experiment
    return list(client.search_runs([experiment.experiment_id], text, max_results=1000))


def training(client: MlflowClient) -> Run:
    (run,) = runs(client, "tags.mlflow.runName = 'training'")
    return run


def children(client: MlflowClient, parent: Run) -> list[Run]:
    return runs(client, f"tags.mlflow.parentRunId = '{parent.info.run_id}'")


def candidate_versions(client: MlflowClient) -> dict[str, Any]:
    found = client.search_model_versions("name = 'offer-click'")
    return {version.tags["candidate"]: version for version in found}


def files(client: MlflowClient, run: Run, folder: str) -> set[str]:
    return {artifact.path for artifact in client.list_artifacts(run.info.run_id, folder)}


def test_a_training_has_a_run_for_each_candidate_and_for_each_grid_point(
    client: MlflowClient,
) -> None:
    candidates = children(client, training(client))
    assert {run.info.run_name for run in candidates} == CANDIDATES
    for run in candidates:
        points = children(client, run)
        assert len(points) >= 5
        assert {point.info.status for point in points} == {"FINISHED"}
        assert all(point.data.metrics.keys() >= CV for point in points)
        searched = {"l2_regularization"} if run.info.run_name == YARDSTICK else {"C"}
        assert all(searched <= point.data.params.keys() for point in points)
        best = min(points, key=lambda point: point.data.metrics["cv_log_loss"])
        assert best.data.tags["grid_point"] == "best"
        assert best.data.params.items() <= run.data.params.items()
        assert run.data.metrics["cv_log_loss"] == best.data.metrics["cv_log_loss"]


def test_the_project_run_points_to_the_training(client: MlflowClient) -> None:
    (envelope,) = client.search_runs(["0"])
    assert envelope.info.status == "FINISHED"
    assert envelope.data.tags["training_run"] == training(client).info.run_id
    assert training(client).data.tags["project_run"] == envelope.info.run_id


def test_metrics_and_parameters_belong_to_the_right_model(client: MlflowClient) -> None:
    for name, version in candidate_versions(client).items():
        run = client.get_run(version.run_id)
        assert run.info.run_name == name
        assert run.data.metrics.keys() >= CV | TEST
        loaded = Model.load(f"models:/offer-click/{version.version}")
        model = client.get_logged_model(str(loaded.model_id))
        assert model.params["candidate"] == name
        logged = {metric.key: metric.value for metric in model.metrics or []}
        assert {k: v for k, v in logged.items() if k in CV | TEST} == {
            k: v for k, v in run.data.metrics.items() if k in CV | TEST
        }


def test_a_training_shows_its_data_plots_and_commit(client: MlflowClient) -> None:
    run = training(client)
    columns = {"requested", "annual_income", "apr", "loan_purpose", "credit"}
    expected = {f"profile/{column}.png" for column in columns} | {"profile/profile.html"}
    assert files(client, run, "profile") == expected
    assert len(run.data.tags["mlflow.source.git.commit"]) == 40
    assert run.inputs
    names = {entry.dataset.name for entry in run.inputs.dataset_inputs}
    assert names == {"offer_click_train", "offer_click_held_out"}
    for candidate in children(client, run):
        plots = {
            "roc", "precision_recall", "calibration", "lift", "confusion", "cross_validation",
            "permutation_importance",
        }  # fmt: skip
        if candidate.info.run_name != YARDSTICK:
            plots.add("coefficients")
        assert files(client, candidate, "plots") == {f"plots/{plot}.png" for plot in plots}


def test_the_profile_holds_shares_of_clicks_and_nobodys_row(client: MlflowClient) -> None:
    run_id = training(client).info.run_id
    page = Path(client.download_artifacts(run_id, "profile/profile.html")).read_text()
    offers = pd.read_parquet(SAMPLE / "ds_offers.parquet.gzip")
    assert f"{len(offers):,} rows" in page
    assert "debt_consolidation" in page
    leads = pd.read_parquet(SAMPLE / "ds_leads.parquet.gzip")
    assert not any(uuid in page for uuid in leads["lead_uuid"])


def test_a_version_is_saved_without_pickle_and_takes_doubles(client: MlflowClient) -> None:
    for version in candidate_versions(client).values():
        uri = f"models:/offer-click/{version.version}"
        model = Model.load(uri)
        folder = Path(mlflow.artifacts.download_artifacts(uri))
        assert model.flavors["sklearn"]["serialization_format"] == "skops"
        assert not list(folder.rglob("*.pkl"))
        assert model.flavors["python_function"]["predict_fn"] == "predict_proba"
        assert model.signature
        kinds = {column.name: str(column.type) for column in model.signature.inputs}
        assert set(kinds.values()) == {"DataType.double", "DataType.string"}
        assert model.saved_input_example_info


def test_a_version_carries_its_threshold_and_canary_rows_of_nobody(
    client: MlflowClient, trained: Trained
) -> None:
    with opened(database_url(str(trained.database))) as engine:
        raw = dataset.read(engine, problems.load()).raw
    known = set(raw[problems.load().feature_names].itertuples(index=False, name=None))
    seen = []
    for version in candidate_versions(client).values():
        found = versions.resolve(client, f"models:/offer-click/{version.version}")
        assert 0 < found.threshold < 1
        pyfunc = mlflow.pyfunc.load_model(found.uri)
        rows = pd.DataFrame(found.canary.rows, columns=problems.load().feature_names)
        for name in problems.load().numbers:
            rows[name] = rows[name].astype(float)
        assert found.canary.answered_by(pyfunc.predict(rows)[:, 1].tolist())
        assert not any(tuple(row) in known for row in found.canary.rows)
        seen.append(found.canary)
    assert not seen[0].answered_by(seen[1].probabilities)


def test_the_better_by_cross_validation_is_champion_and_the_other_challenger(
    client: MlflowClient,
) -> None:
    found = candidate_versions(client)
    assert found.pop(YARDSTICK).tags["yardstick"] == "yes"
    best = min(found.values(), key=lambda version: float(version.tags["cv_log_loss"]))
    champion = client.get_model_version_by_alias("offer-click", "champion")
    challenger = client.get_model_version_by_alias("offer-click", "challenger")
    assert champion.version == best.version
    assert {champion.version, challenger.version} == {v.version for v in found.values()}


def test_a_training_s_page_says_which_candidate_is_best_and_why(client: MlflowClient) -> None:
    run = training(client)
    page = run.data.tags["mlflow.note.content"]
    assert page.startswith("**logistic_engineered** is best: its cross-validated log loss is 0.")
    versions_of = candidate_versions(client)
    for name in CANDIDATES:
        (line,) = (line for line in page.splitlines() if line.startswith("|") and name in line)
        assert f"| {versions_of[name].version}" in line
        assert line.count(" to ") == 5  # intervals
    assert "(yardstick)" in page
    assert "base rate" in page
    assert "comparison.png" in {file.path for file in client.list_artifacts(run.info.run_id)}


def test_a_version_s_description_is_a_model_card(client: MlflowClient) -> None:
    run = training(client)
    for name, version in candidate_versions(client).items():
        card = version.description
        assert card.startswith(f"**{name}**")
        for stated in (
            run.data.params["digest"],
            f"{int(run.data.params['rows_held_out']):,} rows are held out",
            "hash of their lead_uuid",
            "outcomes 2021-03-23 to 2021-04-2",
            f"from {float(version.tags['decision_threshold']):.4f} on: largest F1",
            "**Limits.**",
            "random order",
            "mlflow models serve -m models:/offer-click@champion",
        ):
            assert stated in card, stated
        metrics = client.get_run(version.run_id).data.metrics
        for figure, title in (("roc_auc", "ROC AUC"), ("calibration_slope", "calibration slope")):
            value, low, high = (metrics[f"test_{figure}{end}"] for end in ("", "_low", "_high"))
            assert low < value < high
            assert f"| {title} | {value:.4f} ({low:.4f} to {high:.4f}) |" in card
        example = re.search(r"```json\n(.*)\n```", card)
        assert example
        rows = pd.DataFrame(json.loads(example[1])["dataframe_records"])
        served = mlflow.pyfunc.load_model(f"models:/offer-click/{version.version}")
        assert 0 < served.predict(rows)[0, 1] < 1


def test_coefficients_are_listed_by_names_that_can_be_read(client: MlflowClient) -> None:
    run_id = str(candidate_versions(client)["logistic_engineered"].run_id)
    table = pd.read_csv(client.download_artifacts(run_id, "coefficients.csv"))
    assert {"column", "coefficient", "weight"} == set(table.columns)
    assert table["column"].str.contains(r"^apr [\d.,]+ to [\d.,]+ x credit = poor$").any()


def test_a_quick_search_uses_some_rows_and_a_rate_is_kept(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    flags = ("--quick", "--threshold-rule", "rate", "--rate", "0.05")
    assert run_main(train.main, "--database", trained.database, *flags) == 0
    client = MlflowClient()
    (run,) = runs(client, "tags.mlflow.runName = 'training'")
    params = run.data.params
    assert int(params["rows_searched"]) < int(params["rows_train"])
    assert params["folds"] == "3"
    for version in candidate_versions(client).values():
        found = client.get_run(version.run_id).data
        assert found.params["threshold_rule"] == "yes to 5.00% of the rows"
        said_yes = (
            found.metrics["test_recall"] * run.data.metrics["base_rate_average_precision"]
        ) / found.metrics["test_precision"]
        assert said_yes == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_training_that_is_stopped_leaves_a_killed_run_and_no_process(
    sent: signal.Signals, code: int, trained: Trained, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    process = subprocess.Popen(
        [sys.executable, PROJECT / "train.py", "--database", trained.database],
        cwd=tmp_path, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("logistic_plain: best"):  # the next search has begun
                break
        os.killpg(process.pid, sent)  # as a terminal does: to the search's processes too
        _, error = process.communicate(timeout=60)
        wait_for(lambda: not group_lives(process.pid), "the search's processes to end")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code
    assert "Traceback" not in error
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    assert training(client).info.status == "KILLED"
    assert len(client.search_model_versions("name = 'offer-click'")) == 1
    assert run_script("promote.py", cwd=tmp_path, MLFLOW_TRACKING_URI=uri).returncode == 2


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_fitted_model_beats_the_true_probabilities(
    client: MlflowClient, trained: Trained, generator: ModuleType
) -> None:
    chunks = list(generator.chunks(10_000, generator.SAMPLE_SEED))
    truth = pd.DataFrame(
        {
            "offer_id": np.concatenate([c.offers["offer_id"].to_numpy() for c in chunks]),
            "probability": np.concatenate([c.probability for c in chunks]),
        }
    )
    with opened(database_url(str(trained.database))) as engine:
        data = dataset.read(engine, problems.load())
    rows = data.raw[data.held_out].merge(truth, on="offer_id", validate="one_to_one")
    limit = roc_auc_score(rows["label"], rows["probability"])
    for run in children(client, training(client)):
        assert 0.55 < run.data.metrics["test_roc_auc"] < limit


def test_probabilities_are_calibrated_in_the_large(client: MlflowClient, trained: Trained) -> None:
    with opened(database_url(str(trained.database))) as engine:
        data = dataset.read(engine, problems.load())
    for version in candidate_versions(client).values():
        model = mlflow.sklearn.load_model(f"models:/offer-click/{version.version}")
        said = model.predict_proba(data.train.features)[:, 1].mean()
        assert said == pytest.approx(data.train.label.mean(), rel=0.05)


def test_a_model_is_better_than_the_base_rate(client: MlflowClient) -> None:
    base = training(client).data.metrics["base_rate_log_loss"]
    for run in children(client, training(client)):
        assert run.data.metrics["test_log_loss"] < base


def test_no_lead_is_on_both_sides_over_two_ingests(
    generator: ModuleType, database: str, tmp_path: Path
) -> None:
    problem = problems.load()
    whole, part = tmp_path / "whole", tmp_path / "part"
    generator.write(whole, leads=900, seed=3)
    shutil.copytree(whole, part)
    offers = pd.read_parquet(whole / "ds_offers.parquet.gzip")
    clicks = pd.read_parquet(whole / "ds_clicks.parquet.gzip")
    offers = offers[offers["lead_uuid"].isin(offers["lead_uuid"].unique()[:600])]
    offers.to_parquet(part / "ds_offers.parquet.gzip", index=False)
    clicks = clicks[clicks["offer_id"].isin(offers["offer_id"])]
    clicks.to_parquet(part / "ds_clicks.parquet.gzip", index=False)
    sides: list[dict[str, bool]] = []
    for folder in (part, whole):
        assert run_main(ingest.main, "--source", folder, "--database", database, "--add") == 0
        with opened(database_url(database)) as engine:
            data = dataset.read(engine, problem)
        assert not set(data.train.group) & set(data.test.group)
        for seen, left_out in data.folds(data.train, 5, 0):
            assert not set(data.train.group[seen]) & set(data.train.group[left_out])
        sides.append(dict(zip(data.raw["lead_uuid"], data.held_out.tolist(), strict=True)))
    assert sides[1].keys() > sides[0].keys()
    assert all(sides[1][lead] == side for lead, side in sides[0].items())


def test_the_held_out_share_is_as_stated_and_fixed_for_good() -> None:
    assert np.mean(held_out(range(20_000))) == pytest.approx(HELD_OUT_SHARE, abs=0.01)
    # these answers must never change: versions of every release are compared on the same rows
    assert held_out(["a", "b", "c", "d", "e", "f", "g", "h"]) == [
        False, False, True, False, True, True, False, False,
    ]  # fmt: skip


def test_a_column_of_nulls_alone_trains(
    generator: ModuleType, database: str, tmp_path: Path
) -> None:
    generator.write(tmp_path, leads=700, seed=5)
    leads = pq.read_table(tmp_path / "ds_leads.parquet.gzip")
    leads = leads.set_column(3, "credit", pa.nulls(len(leads)))
    pq.write_table(leads, tmp_path / "ds_leads.parquet.gzip")
    problem = problems.load()
    assert run_main(ingest.main, "--source", tmp_path, "--database", database) == 0
    with opened(database_url(database)) as engine:
        data = dataset.read(engine, problem)
    for candidate in problem.candidates(data.categories, 0):
        fitted = candidate.pipeline.fit(data.train.features, data.train.label)
        assert np.isfinite(fitted.predict_proba(data.test.features)).all()


def test_the_threshold_is_the_one_with_the_best_f1() -> None:
    label = np.array([0, 0, 0, 1, 0, 1, 1])
    probability = np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.6, 0.7])
    assert Rule().threshold(label, probability) == 0.35


def test_a_version_knows_which_rows_it_was_trained_on(
    client: MlflowClient, trained: Trained
) -> None:
    metadata = Model.load(
        f"models:/offer-click/{candidate_versions(client)['logistic_plain'].version}"
    ).metadata
    assert metadata
    with closing(sqlite3.connect(trained.database)) as connection:
        (database_id,) = connection.execute("SELECT id FROM database_info").fetchone()
        (last_load,) = connection.execute("SELECT max(id) FROM loads").fetchone()
    assert metadata["trained_on"] == {"database_id": database_id, "last_load": last_load}
    assert json.dumps(metadata)  # plain data, nothing that would need our code to be read

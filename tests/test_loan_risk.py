"""Late loans: the same way as for offers, judged as rare events must be, by small models."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow import MlflowClient

import ingest
import problems
from db.engine import database_url, opened
from modeling import canaries, dataset
from modeling.dataset import Dataset
from registry import versions
from tests.helpers import PROJECT, Trained, load_generator, query, run_main, score

PROBLEM = problems.load("loan_risk")
SAMPLE = PROJECT / "data" / "loan_risk" / "peer_loans.csv"
FOREST, LOGISTIC = "random_forest_given", "logistic_scaled"
MOST_BYTES = 20e6


@pytest.fixture
def client(loans_trained: Trained) -> MlflowClient:
    mlflow.set_tracking_uri(loans_trained.tracking_uri)
    return MlflowClient()


def candidate_versions(client: MlflowClient) -> dict[str, Any]:
    found = client.search_model_versions("name = 'loan-risk'")
    return {version.tags["candidate"]: version for version in found}


def metrics(client: MlflowClient, candidate: str) -> dict[str, float]:
    return dict(client.get_run(candidate_versions(client)[candidate].run_id).data.metrics)


def test_the_committed_sample_is_what_its_generator_writes(tmp_path: Path) -> None:
    generator = load_generator("loan_risk")
    late, auc = generator.write(tmp_path, 10_000, generator.SAMPLE_SEED)
    assert (tmp_path / "peer_loans.csv").read_bytes() == SAMPLE.read_bytes()
    frame = pd.read_csv(SAMPLE)
    assert (late, len(frame)) == (frame["is_late"].sum(), 10_000)
    assert 0.013 < frame["is_late"].mean() < 0.017
    assert list(frame.columns) == [*PROBLEM.feature_names, "is_late"]
    assert 0.05 < frame["emp_length"].isna().mean() < 0.09
    assert set(frame["grade"]) == set("ABCDEFG")
    assert 0.7 < auc < 0.9


def test_both_candidates_are_registered_and_the_better_one_serves(client: MlflowClient) -> None:
    found = candidate_versions(client)
    assert found.keys() == {FOREST, LOGISTIC}
    aliases = client.get_registered_model("loan-risk").aliases
    assert str(aliases["champion"]) == str(found[LOGISTIC].version)
    assert str(aliases["challenger"]) == str(found[FOREST].version)


def test_the_forest_searches_10_and_100_trees_and_is_saved_for_one_process(
    client: MlflowClient,
) -> None:
    version = candidate_versions(client)[FOREST]
    children = client.search_runs(
        [client.get_run(version.run_id).info.experiment_id],
        f"tags.mlflow.parentRunId = '{version.run_id}'",
    )
    assert {"10", "100"} <= {run.data.params["n_estimators"] for run in children}
    model = mlflow.sklearn.load_model(f"models:/loan-risk/{version.version}")
    assert model.named_steps["model"].n_jobs is None
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/loan-risk/{version.version}"))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < MOST_BYTES
    assert metrics(client, FOREST)["saved_mb"] == pytest.approx(size / 1e6, rel=0.05)


def test_the_largest_forest_of_the_grid_stays_small_on_any_table() -> None:
    rng = np.random.default_rng(0)
    frame = pd.read_csv(SAMPLE)[PROBLEM.feature_names].sample(30_000, replace=True, random_state=0)
    for name in PROBLEM.numbers:  # noise, so that no tree ends before it must
        frame[name] = rng.random(len(frame))
    categories = {name: sorted(frame[name].dropna().unique()) for name in PROBLEM.texts}
    (forest,) = (c for c in PROBLEM.candidates(categories, 0) if c.name == FOREST)
    trees = max(forest.grid["model__n_estimators"])
    fitted = forest.pipeline.set_params(model__n_estimators=trees, model__n_jobs=2)
    fitted.fit(frame.fillna("(null)"), rng.integers(0, 2, len(frame)))
    leaves = {tree.get_n_leaves() for tree in fitted.named_steps["model"].estimators_}
    assert leaves == {1_000}
    assert len(skops.io.dumps(fitted)) < MOST_BYTES


def test_a_single_row_s_time_is_reported_and_the_forest_s_is_longer(client: MlflowClient) -> None:
    forest, logistic = (metrics(client, name)["single_row_ms"] for name in (FOREST, LOGISTIC))
    assert forest > logistic > 0
    for name, milliseconds in ((FOREST, forest), (LOGISTIC, logistic)):
        tag = candidate_versions(client)[name].tags["single_row_ms"]
        assert float(tag) == pytest.approx(milliseconds, abs=0.01)


def test_metrics_come_with_intervals_and_the_model_beats_chance(client: MlflowClient) -> None:
    late = pd.read_csv(SAMPLE)["is_late"].mean()
    for name in (FOREST, LOGISTIC):
        found = metrics(client, name)
        for metric in ("log_loss", "roc_auc", "average_precision", "brier"):
            low, mean, high = (found[f"cv_{metric}{end}"] for end in ("_low", "", "_high"))
            assert low < mean < high
            half = found[f"cv_{metric}_se"] * 2.26  # t with 2 x 5 - 1 degrees of freedom
            assert high - mean == pytest.approx(half, rel=0.01)
        assert found["cv_roc_auc_low"] > 0.5
        assert found["cv_average_precision"] > late
    assert metrics(client, LOGISTIC)["cv_roc_auc"] > metrics(client, FOREST)["cv_roc_auc"]


def test_the_former_rule_stands_beside_the_chosen_threshold(
    client: MlflowClient, loans_trained: Trained
) -> None:
    for name in (FOREST, LOGISTIC):
        found, threshold = metrics(client, name), candidate_versions(client)[name].tags
        chosen = (float(threshold["decision_threshold"]), "")
        for rule, at, suffix in (("chosen", *chosen), ("former", 0.1, "_at_former")):
            shown = rf"{name} +{rule} +{at:.4f} +{found[f'test_precision{suffix}']:.4f} +"
            assert re.search(shown + f"{found[f'test_recall{suffix}']:.4f}", loans_trained.output)


@pytest.fixture
def scored(
    loans_trained: Trained,
    loan_champion: str,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A database with the sample and three further loans, without label, all of them scored."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", loans_trained.tracking_uri)
    loans_trained.load_into(database, "--problem", "loan_risk")
    running = pd.read_csv(SAMPLE).head(3).drop(columns="is_late").assign(loan_amnt=777)
    running.to_csv(tmp_path / "peer_loans.csv", index=False)
    flags = ("--problem", "loan_risk", "--source", tmp_path, "--database", database, "--add")
    assert run_main(ingest.main, *flags) == 0
    assert score(database, loan_champion, "--problem", "loan_risk") == 0
    return database


def test_every_loan_is_scored_once_running_ones_too(scored: str, client: MlflowClient) -> None:
    champion = versions.resolve(client, "models:/loan-risk@champion")
    rows = query(
        scored,
        "SELECT count(*), count(DISTINCT r.loan_key), min(model_id), max(model_id) "
        "FROM results_risk r JOIN loans USING (loan_key)",
    )
    assert rows == [(10_003, 10_003, champion.model_id, champion.model_id)]
    ((risky, safe),) = query(
        scored,
        "SELECT min(CASE risk WHEN 'Risk' THEN late_probability END), "
        "max(CASE risk WHEN 'No risk' THEN late_probability END) FROM results_risk",
    )
    assert safe < champion.threshold <= risky
    trained_on = "SELECT DISTINCT trained_on FROM results_risk WHERE loan_amnt = 777"
    assert query(scored, trained_on) == [(0,)]
    ((share,),) = query(
        scored,
        "SELECT avg(CASE WHEN trained_on THEN 1.0 ELSE 0.0 END) FROM results_risk "
        "WHERE loan_amnt <> 777",
    )
    assert float(share) == pytest.approx(0.75, abs=0.02)


def dataset_of(database: Path | str) -> Dataset:
    with opened(database_url(str(database))) as engine:
        return dataset.read(engine, PROBLEM)


def test_a_loan_listed_twice_stays_on_one_side_of_every_split(
    database: str, tmp_path: Path
) -> None:
    frame = pd.read_csv(SAMPLE)
    pd.concat([frame, frame.head(2_000)]).to_csv(tmp_path / "peer_loans.csv", index=False)
    flags = ("--problem", "loan_risk", "--source", tmp_path, "--database", database)
    assert run_main(ingest.main, *flags) == 0
    data = dataset_of(database)
    assert len(data.raw) == 12_000
    assert data.raw["content"].nunique() == 10_000
    assert not set(data.train.group) & set(data.test.group)
    sides = pd.Series(data.held_out).groupby(data.raw["loan_key"].str[:32]).nunique()
    assert (sides == 1).all()
    for train, test in data.folds(data.train, 3, 0):
        assert not set(data.train.group[train]) & set(data.train.group[test])


def test_cross_validation_is_repeated_where_late_loans_are_few(loans_trained: Trained) -> None:
    data = dataset_of(loans_trained.database)
    assert data.train.label.sum() < 500
    assert data.repeats == 5
    common = np.where(np.arange(len(data.raw)) % 2, 1, 0)
    assert replace(data, raw=data.raw.assign(label=common)).repeats == 1


def test_the_canary_rows_tell_two_forests_apart(loans_trained: Trained) -> None:
    data = dataset_of(loans_trained.database)
    forests = []
    for seed in range(4):
        (forest,) = (c for c in PROBLEM.candidates(data.categories, seed) if c.name == FOREST)
        small = forest.pipeline.set_params(model__n_estimators=10)
        forests.append(small.fit(data.train.features, data.train.label))
    for one in forests:
        rows = canaries.rows(data, one)
        canary = canaries.answered(one, rows)
        assert len(set(canary.probabilities)) >= 4  # a forest says 0 to most rows
        for other in forests:
            assert canary.answered_by(other.predict_proba(rows)[:, 1].tolist()) == (other is one)

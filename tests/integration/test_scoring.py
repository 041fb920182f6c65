"""What a run of score_client.py stores in the database and in MLflow."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import ingest
from tests.support.databases import (
    assert_every_offer_scored_once,
    count_scored,
    execute,
    query,
)
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward
from tests.support.scripts import run_main
from tests.support.source_files import LEADS, edit_parquet
from tests.support.trained import TrainedStore


def test_trained_on_is_null_for_a_version_trained_on_another_database(
    small_database: str, champion: str, small_offers: int
) -> None:
    assert score(small_database, champion) == 0
    known = "SELECT count(*), count(trained_on) FROM results_clicked"
    assert query(small_database, known) == [(small_offers, 0)]


def test_a_second_run_scores_the_pending_rows_and_a_third_has_nothing_to_do(
    small_databases: str, champion: str, small_offers: int
) -> None:
    assert score(small_databases, champion, "--limit", 700, "--batch-size", 300) == 0
    assert count_scored(small_databases) == 700
    assert score(small_databases, champion, "--batch-size", 128) == 0
    before = query(small_databases, "SELECT * FROM results_clicked")
    assert len({row[0] for row in before}) == len(before) == small_offers
    assert score(small_databases, champion) == 0
    assert query(small_databases, "SELECT * FROM results_clicked") == before
    runs = query(small_databases, "SELECT outcome, stored FROM scoring_runs ORDER BY id")
    assert runs == [("limited", 700), ("finished", small_offers - 700), ("finished", 0)]


def test_each_run_is_recorded_in_mlflow_with_counts_speed_and_distribution(
    small_database: str, trained: TrainedStore, champion: str, small_offers: int
) -> None:
    score(small_database, champion, "--limit", 600, "--batch-size", 200)
    (run,) = trained.scoring_runs(small_database)
    version = trained.version()
    assert run.info.status == "FINISHED"
    assert run.data.tags["outcome"] == "limited"
    assert run.data.tags["model_id"] == version.model_id
    assert "#/models/offer-click/versions/" in run.data.tags["mlflow.note.content"]
    inputs = mlflow.MlflowClient().get_run(run.info.run_id).inputs  # a search does not return them
    assert inputs
    (linked,) = inputs.model_inputs
    assert linked.model_id == version.logged_model_id
    assert run.data.params["endpoint"] == champion
    metrics = run.data.metrics
    assert metrics["run_scored"] == metrics["table_scored"] == 600
    assert metrics["table_selected"] == small_offers == 600 + metrics["table_pending"]
    assert metrics["run_rejected"] == metrics["table_rejected"] == 0
    assert metrics["requests"] == 3
    assert metrics["rows_per_second"] > 0
    assert 0 < metrics["latency_p50_ms"] <= metrics["latency_p95_ms"] <= metrics["latency_p99_ms"]
    plot = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="score_distribution.png"
    )
    assert Path(plot).read_bytes().startswith(b"\x89PNG")


def test_losing_the_store_during_a_run_is_one_error_and_the_scores_stay(
    small_database: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    store = shutil.copy(trained.folder / "mlflow.db", tmp_path / "copied.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")

    def lose_it(request: Request) -> Response:
        with closing(sqlite3.connect(store)) as connection, connection:
            for table in ("metrics", "latest_metrics"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
        return forward(champion, request.body)

    endpoint.script = lose_it
    assert score(small_database, endpoint.url) == 2
    output = capfd.readouterr()
    assert output.err.startswith("error: MLflow at sqlite:///")
    assert output.err.count("\n") == 1
    assert f"{small_offers:,}" in output.out
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)


def test_two_versions_score_the_same_rows_side_by_side(
    small_databases: str, champion: str, challenger: str
) -> None:
    score(small_databases, champion, "--limit", 500)
    uri = "models:/offer-click@challenger"
    assert score(small_databases, challenger, "--model", uri, "--limit", 500) == 0
    rows = query(
        small_databases, "SELECT model_id, count(DISTINCT offer_id) FROM results_clicked GROUP BY 1"
    )
    assert [count for _, count in rows] == [500, 500]
    assert not any("@" in model_id for model_id, _ in rows)


def test_the_offers_of_a_changed_lead_are_scored_again(
    small_databases: str, trained: TrainedStore, champion: str, small_offers: int, source: Path
) -> None:
    # as if the version had been trained on these rows
    identity = query(trained.database, "SELECT id FROM database_info")[0][0]
    execute(small_databases, f"UPDATE database_info SET id = '{identity}'")
    score(small_databases, champion)

    def ten_incomes(leads: pd.DataFrame) -> pd.DataFrame:
        leads.loc[:9, "annual_income"] = 98_765.0
        return leads

    edit_parquet(source, LEADS, ten_incomes)
    flags = ("--source", source, "--database", small_databases, "--add")
    assert run_main(ingest.main, *flags) == 0
    missing = small_offers - count_scored(small_databases)
    assert missing >= 10
    assert score(small_databases, champion) == 0
    assert_every_offer_scored_once(small_databases, trained.champion_id, small_offers)
    changed = query(
        small_databases,
        "SELECT trained_on, count(*) FROM results_clicked "
        "WHERE annual_income = 98765 GROUP BY trained_on",
    )
    assert changed == [(False, missing)]  # no version was trained on the changed rows


def test_disagreeing_counts_end_with_an_error(
    small_database: str, champion: str, capfd: pytest.CaptureFixture[str]
) -> None:
    score(small_database, champion, "--limit", 100)
    execute(
        small_database,
        "INSERT INTO results_clicked_rejected "
        "(model_id, offer_id, reason, process_time, scoring_run_id) "
        "SELECT model_id, offer_id, 'also scored', process_time, scoring_run_id "
        "FROM results_clicked LIMIT 3",
    )
    assert score(small_database, champion) == 5
    assert "The counts do not agree" in capfd.readouterr().err

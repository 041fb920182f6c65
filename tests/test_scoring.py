"""The scoring client against real servers: every row once, whatever happens, or not at all."""

import dataclasses
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, select, text

import ingest
import problems
from db.engine import database_url, opened
from db.tables import model_versions, scoring_runs
from modeling import dataset
from registry import versions
from registry.store import RegistryError
from tests.helpers import (
    SAMPLE,
    SAMPLE_OFFERS,
    Trained,
    assert_every_offer_once,
    champion_id,
    champion_version,
    execute,
    query,
    run_main,
    run_script,
    score,
    scoring_runs_of,
    stored,
)
from tests.misbehaving import Answer, Misbehaving, Request, relay

PROBLEM = problems.load()


def test_of_a_version_trained_on_another_database_nobody_knows_which_rows_it_saw(
    trained: Trained, champion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    other = tmp_path / "other.db"
    assert run_main(ingest.main, "--source", SAMPLE, "--database", other) == 0
    assert score(other, champion) == 0
    known = "SELECT count(*), count(trained_on) FROM results_clicked"
    assert query(other, known) == [(SAMPLE_OFFERS, 0)]


def test_every_offer_is_scored_once_as_the_model_scores_it_in_process(
    loaded: str, trained: Trained, champion: str
) -> None:
    assert score(loaded, champion) == 0
    assert_every_offer_once(loaded, champion_id(trained))
    found = versions.resolve(mlflow.MlflowClient(), "models:/offer-click@champion")
    with opened(database_url(loaded)) as engine:
        data = dataset.read(engine, PROBLEM)
        stored_rows = pd.read_sql("SELECT * FROM results_clicked ORDER BY offer_id", engine)
    expected = mlflow.pyfunc.load_model(found.uri).predict(data.raw[PROBLEM.feature_names])[:, 1]
    probability = stored_rows["click_probability"].to_numpy()
    np.testing.assert_allclose(probability, expected, rtol=1e-9)
    words = np.where(probability >= found.threshold, "Clicked", "Not clicked")
    assert stored_rows["clicked"].tolist() == words.tolist()
    assert set(stored_rows["source"]) == {"batch"}
    np.testing.assert_array_equal(stored_rows["trained_on"].astype(bool), ~data.held_out)
    columns = PROBLEM.scoring.results.values
    for feature, column in columns.items():
        pd.testing.assert_series_equal(
            stored_rows[column], data.raw[feature], check_names=False, check_dtype=False
        )


def test_a_second_run_has_nothing_to_do(loaded: str, champion: str) -> None:
    score(loaded, champion, "--limit", 700, "--batch-size", 300)
    assert stored(loaded) == 700
    score(loaded, champion)
    before = query(loaded, "SELECT * FROM results_clicked")
    assert score(loaded, champion) == 0
    assert query(loaded, "SELECT * FROM results_clicked") == before
    runs = query(loaded, "SELECT outcome, stored FROM scoring_runs ORDER BY id")
    assert runs == [("limited", 700), ("finished", SAMPLE_OFFERS - 700), ("finished", 0)]


def test_each_run_is_a_run_of_mlflow_with_its_counts_speed_and_distribution(
    loaded: str, trained: Trained, champion: str
) -> None:
    score(loaded, champion, "--limit", 1500, "--batch-size", 500)
    (run,) = scoring_runs_of(trained, loaded)
    version = champion_version(trained)
    assert run.info.status == "FINISHED"
    assert run.data.tags["outcome"] == "limited"
    assert run.data.tags["model_id"] == version.model_id
    assert "#/models/offer-click/versions/" in run.data.tags["mlflow.note.content"]
    inputs = mlflow.MlflowClient().get_run(run.info.run_id).inputs  # not told by a search
    assert inputs
    (linked,) = inputs.model_inputs
    assert linked.model_id == version.logged_model_id
    assert run.data.params["endpoint"] == champion
    metrics = run.data.metrics
    assert metrics["run_scored"] == metrics["table_scored"] == 1500
    assert metrics["table_selected"] == SAMPLE_OFFERS == 1500 + metrics["table_pending"]
    assert metrics["run_rejected"] == metrics["table_rejected"] == 0
    assert metrics["requests"] == 3
    assert metrics["rows_per_second"] > 0
    assert 0 < metrics["latency_p50_ms"] <= metrics["latency_p95_ms"] <= metrics["latency_p99_ms"]
    plot = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="score_distribution.png"
    )
    assert Path(plot).read_bytes().startswith(b"\x89PNG")


def test_a_store_that_is_lost_in_the_middle_is_one_sentence_and_the_scores_stay(
    loaded: str, trained: Trained, champion: str, misbehaving: Misbehaving, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    mlflow_db = shutil.copy(trained.folder / "mlflow.db", tmp_path / "copied.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{mlflow_db}")

    def lose_it(request: Request) -> Answer:
        with closing(sqlite3.connect(mlflow_db)) as connection, connection:
            for table in ("metrics", "latest_metrics"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
        return relay(champion, request.body)

    misbehaving.script = lose_it
    assert score(loaded, misbehaving.url) == 2
    output = capfd.readouterr()
    assert output.err.startswith("error: MLflow at sqlite:///")
    assert output.err.count("\n") == 1
    assert f"{SAMPLE_OFFERS:,}" in output.out
    assert_every_offer_once(loaded, champion_id(trained))


def test_two_versions_score_the_same_rows_side_by_side(
    loaded: str, champion: str, challenger: str
) -> None:
    score(loaded, champion, "--limit", 500)
    uri = "models:/offer-click@challenger"
    assert score(loaded, challenger, "--model", uri, "--limit", 500) == 0
    rows = query(
        loaded, "SELECT model_id, count(DISTINCT offer_id) FROM results_clicked GROUP BY 1"
    )
    assert [count for _, count in rows] == [500, 500]
    assert not any("@" in model_id for model_id, _ in rows)


def test_a_changed_lead_is_scored_again(
    loaded: str, trained: Trained, champion: str, tmp_path: Path
) -> None:
    score(loaded, champion)
    for file in SAMPLE.glob("*.parquet.gzip"):
        frame = pd.read_parquet(file)
        if "annual_income" in frame:
            frame.loc[:9, "annual_income"] = 98_765.0
        frame.to_parquet(tmp_path / file.name, index=False)
    flags = ("--source", tmp_path, "--database", loaded, "--add")
    assert run_main(ingest.main, *flags) == 0
    missing = SAMPLE_OFFERS - stored(loaded)
    assert missing >= 10
    assert score(loaded, champion) == 0
    assert_every_offer_once(loaded, champion_id(trained))
    changed = query(
        loaded,
        "SELECT trained_on, count(*) FROM results_clicked "
        "WHERE annual_income = 98765 GROUP BY trained_on",
    )
    assert changed == [(False, missing)]  # as they are now, no version was trained on them


def test_another_version_behind_the_endpoint_stores_nothing(
    loaded: str, challenger: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score(loaded, challenger) == 4
    assert "does not answer as offer-click/" in capfd.readouterr().err
    assert stored(loaded) == 0
    assert query(loaded, "SELECT outcome FROM scoring_runs") == [("failed",)]


def test_a_version_that_changes_in_the_middle_ends_the_run_there(
    loaded: str, champion: str, challenger: str, misbehaving: Misbehaving
) -> None:
    def swapped(request: Request) -> Answer:
        return relay(champion if request.number <= 3 else challenger, request.body)

    misbehaving.script = swapped
    assert score(loaded, misbehaving.url, "--batch-size", 500) == 4
    assert stored(loaded) == 1_500


def test_disagreeing_counts_end_with_an_error(
    loaded: str, champion: str, capfd: pytest.CaptureFixture[str]
) -> None:
    score(loaded, champion, "--limit", 100)
    execute(
        loaded,
        "INSERT INTO results_clicked_rejected "
        "(model_id, offer_id, reason, process_time, scoring_run_id) "
        "SELECT model_id, offer_id, 'also scored', process_time, scoring_run_id "
        "FROM results_clicked LIMIT 3",
    )
    assert score(loaded, champion) == 5
    assert "The counts do not agree" in capfd.readouterr().err


def test_another_model_under_a_known_name_stops_with_one_sentence(
    loaded: str, trained: Trained, champion: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with opened(database_url(loaded)) as engine, engine.begin() as connection:
        connection.execute(
            insert(model_versions).values(
                model_id=champion_id(trained),
                logged_model_id="m-of-an-earlier-store",
                registry="sqlite:///gone.db",
                decision_threshold=0.5,
                first_used_at=pd.Timestamp("2020-01-01").to_pydatetime(),
            )
        )
    assert score(loaded, champion) == 2
    assert "m-of-an-earlier-store" in capfd.readouterr().err
    assert stored(loaded) == 0
    with opened(database_url(loaded)) as engine, engine.connect() as connection:
        assert not connection.execute(select(scoring_runs)).all()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--model", "models:/offer-click@nobody"), "has no version models:/offer-click@nobody"),
        (("--model", "models:/offer-click/99"), "has no version"),
        (("--model", "champion"), "does not name a version"),
        (("--problem", "weather"), "There is no problem 'weather'"),
        (("--problem", "{broken}"), "cannot be imported (SyntaxError"),
    ],
)
def test_a_version_or_problem_that_is_not_there_is_one_sentence(
    flags: tuple[str, str],
    said: str,
    loaded: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "__init__.py").write_text("PROBLEM = = 1\n")
    given = [flag.format(broken=tmp_path) for flag in flags]
    assert score(loaded, "http://127.0.0.1:9", *given) == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_version_of_another_problem_or_of_other_features_is_refused(trained: Trained) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    version = versions.resolve(mlflow.MlflowClient(), "models:/offer-click@champion")
    assert versions.fitted(version, PROBLEM).features == PROBLEM.features
    with pytest.raises(RegistryError, match="was trained for offer_click, not for loan_risk"):
        versions.fitted(version, problems.load("loan_risk"))
    older = dataclasses.replace(version, features=version.features[:-1])
    with pytest.raises(RegistryError, match="train and promote again"):
        versions.fitted(older, PROBLEM)


def test_a_tracking_server_that_is_not_there_is_told_soon(
    loaded: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    requests_before = os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    assert score(loaded, "http://127.0.0.1:9") == 2
    error = capfd.readouterr().err
    assert error.startswith("error: MLflow at http://me:***@127.0.0.1:9")
    assert "secret" not in error
    assert error.count("\n") == 1
    assert os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES") == requests_before


def test_without_a_database_or_a_store_nothing_is_made(tmp_path: Path) -> None:
    done = run_script("score_client.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "python ingest.py" in done.stderr
    assert run_script("ingest.py", cwd=tmp_path).returncode == 0
    done = run_script("score_client.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "python train.py" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"even_financial.db"}


def test_results_are_stored_once_on_each_database(
    database: str, small_source: Path, trained: Trained, champion: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    run_main(ingest.main, "--source", small_source, "--database", database)
    assert score(database, champion, "--limit", 300, "--batch-size", 128) == 0
    assert score(database, champion, "--batch-size", 128) == 0
    with opened(database_url(database)) as engine, engine.connect() as connection:
        (row,) = connection.execute(
            text("SELECT count(*), count(DISTINCT offer_id) FROM results_clicked")
        )
        offers = connection.scalar(text("SELECT count(*) FROM offers"))
    assert tuple(row) == (offers, offers)
    assert os.environ["MLFLOW_TRACKING_URI"] == trained.tracking_uri

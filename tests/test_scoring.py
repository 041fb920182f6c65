"""The scoring client against real servers: every row once, whatever happens, or not at all."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, select, text

import ingest
import problems
from db import results
from db.engine import database_url, opened
from db.tables import model_versions, scoring_runs
from modeling import dataset
from registry import versions
from tests.helpers import (
    PROJECT,
    SAMPLE,
    SAMPLE_OFFERS,
    Misbehaving,
    Trained,
    query,
    relay,
    run_main,
    run_script,
    score,
    stored,
    wait_for,
)

PROBLEM = problems.load()


def champion_id(trained: Trained) -> str:
    mlflow.set_tracking_uri(trained.tracking_uri)
    found = versions.resolve(mlflow.MlflowClient(), "models:/offer-click@champion")
    return found.model_id


def assert_every_offer_once(database: Path, model_id: str) -> None:
    assert query(
        database,
        "SELECT count(*), count(DISTINCT offer_id), min(model_id), max(model_id) "
        "FROM results_clicked",
    ) == [(SAMPLE_OFFERS, SAMPLE_OFFERS, model_id, model_id)]


def test_every_offer_is_scored_once_as_the_model_scores_it_in_process(
    loaded: Path, trained: Trained, champion: str
) -> None:
    assert score(loaded, champion) == 0
    assert_every_offer_once(loaded, champion_id(trained))
    found = versions.resolve(mlflow.MlflowClient(), "models:/offer-click@champion")
    with opened(database_url(str(loaded))) as engine:
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


def test_a_second_run_has_nothing_to_do(loaded: Path, champion: str) -> None:
    score(loaded, champion, "--limit", 700, "--batch-size", 300)
    assert stored(loaded) == 700
    score(loaded, champion)
    before = query(loaded, "SELECT * FROM results_clicked")
    assert score(loaded, champion) == 0
    assert query(loaded, "SELECT * FROM results_clicked") == before
    runs = query(loaded, "SELECT outcome, stored FROM scoring_runs ORDER BY id")
    assert runs == [("limited", 700), ("finished", SAMPLE_OFFERS - 700), ("finished", 0)]


def test_two_versions_score_the_same_rows_side_by_side(
    loaded: Path, champion: str, challenger: str
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
    loaded: Path, trained: Trained, champion: str, tmp_path: Path
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
        loaded, "SELECT count(*), max(trained_on) FROM results_clicked WHERE annual_income = 98765"
    )
    assert changed == [(missing, 0)]  # as they are now, no version was trained on them


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
sys.path.insert(0, {project!r})
import score_client
from db import results

moment, batch, marker, batches = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), 0

def die_at(here):
    if here == moment and batches == batch:
        marker.write_text(here)
        os.kill(os.getpid(), signal.SIGKILL)

store = results.store

def counted_store(*args):
    global batches
    batches += 1
    die_at("before")
    kept = store(*args)
    die_at("after")
    return kept

@event.listens_for(Engine, "commit")  # the rows are written, COMMIT has not been sent
def committing(connection):
    die_at("during")

results.store = counted_store
sys.exit(score_client.main(sys.argv[4:]))
"""


def test_a_client_killed_before_during_or_after_a_commit_resumes(
    loaded: Path, trained: Trained, champion: str, tmp_path: Path
) -> None:
    script, marker = tmp_path / "killed.py", tmp_path / "marker"
    script.write_text(KILLED.format(project=str(PROJECT)))
    size, kept = 1_000, 0
    for moment, batch in (("before", 3), ("during", 2), ("after", 4), ("during", 1)):
        command = [sys.executable, script, moment, batch, marker, "--database", loaded]
        done = subprocess.run(
            [*map(str, command), "--endpoint", champion, "--batch-size", str(size)],
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert marker.read_text() == moment
        # the batch that was being committed is there whole, if COMMIT returned, or not at all
        kept += size * (batch if moment == "after" else batch - 1)
        assert stored(loaded) == kept
    assert kept == 7 * size
    assert score(loaded, champion) == 0
    assert_every_offer_once(loaded, champion_id(trained))
    outcomes = Counter(row[0] for row in query(loaded, "SELECT outcome FROM scoring_runs"))
    assert outcomes == {"running": 4, "finished": 1}


def test_ctrl_c_keeps_what_is_stored_and_the_next_run_goes_on(
    loaded: Path, trained: Trained, champion: str
) -> None:
    # tests that a shell runs in the background were told to ignore it, and would tell the client
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, str(PROJECT / "score_client.py"), "--database", str(loaded)]
    client = subprocess.Popen(
        [*command, "--endpoint", champion, "--batch-size", "100"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    wait_for(lambda: stored(loaded) > 0, "a first batch")
    client.send_signal(signal.SIGINT)
    _, error = client.communicate()
    assert client.returncode == 130
    assert b"Traceback" not in error
    assert 0 < stored(loaded) < SAMPLE_OFFERS
    assert stored(loaded) % 100 == 0
    assert query(loaded, "SELECT outcome FROM scoring_runs") == [("interrupted",)]
    assert score(loaded, champion) == 0
    assert_every_offer_once(loaded, champion_id(trained))


def test_two_clients_on_one_table_score_every_row_once(
    loaded: Path, trained: Trained, champion: str
) -> None:
    codes: list[int] = []

    def client() -> None:
        flags = ("--database", loaded, "--endpoint", champion, "--batch-size", 700)
        done = run_script(
            "score_client.py",
            *flags,
            cwd=loaded.parent,
            MLFLOW_TRACKING_URI=trained.tracking_uri,
        )
        codes.append(done.returncode)

    threads = [threading.Thread(target=client) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]
    assert_every_offer_once(loaded, champion_id(trained))
    assert query(loaded, "SELECT sum(stored) FROM scoring_runs") == [(SAMPLE_OFFERS,)]


def test_a_load_in_the_middle_of_a_batch_makes_it_be_read_again(
    loaded: Path, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, kept = results.store, list[bool]()

    def store_after_a_load(*args: Any) -> bool:
        if not kept:
            with closing(sqlite3.connect(loaded)) as connection, connection:
                connection.execute("UPDATE leads SET annual_income = 54321, load_id = 2")
                connection.execute(
                    "INSERT INTO loads VALUES (2, 'offer_click', 'elsewhere', '2030-01-01')"
                )
        kept.append(store(*args))
        return kept[-1]

    monkeypatch.setattr(results, "store", store_after_a_load)
    assert score(loaded, champion, "--limit", 400, "--batch-size", 400) == 0
    assert kept == [False, True]
    rows = query(loaded, "SELECT DISTINCT annual_income, trained_on FROM results_clicked")
    assert rows == [(54321.0, 0)]


def test_another_version_behind_the_endpoint_stores_nothing(
    loaded: Path, challenger: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score(loaded, challenger) == 4
    assert "does not answer as offer-click/" in capfd.readouterr().err
    assert stored(loaded) == 0
    assert query(loaded, "SELECT outcome FROM scoring_runs") == [("failed",)]


def test_a_version_that_changes_in_the_middle_ends_the_run_there(
    loaded: Path, champion: str, challenger: str, misbehaving: Misbehaving
) -> None:
    def swapped(number: int, body: bytes) -> tuple[int, str, bytes]:
        return relay(champion if number <= 3 else challenger, body)

    misbehaving.script = swapped
    assert score(loaded, misbehaving.url, "--batch-size", 500) == 4
    assert stored(loaded) == 1_500


def test_disagreeing_counts_end_with_an_error(
    loaded: Path, champion: str, capfd: pytest.CaptureFixture[str]
) -> None:
    score(loaded, champion, "--limit", 100)
    with closing(sqlite3.connect(loaded)) as connection, connection:
        connection.execute("DELETE FROM offers WHERE offer_id IN (SELECT offer_id FROM "
                           "results_clicked LIMIT 3)")  # fmt: skip
    assert score(loaded, champion) == 5
    assert "The counts do not agree" in capfd.readouterr().err


def test_another_model_under_a_known_name_stops_with_one_sentence(
    loaded: Path, trained: Trained, champion: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with opened(database_url(str(loaded))) as engine, engine.begin() as connection:
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
    with opened(database_url(str(loaded))) as engine, engine.connect() as connection:
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
    flags: tuple[str, str], said: str, loaded: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (loaded.parent / "__init__.py").write_text("PROBLEM = = 1\n")
    given = [flag.format(broken=loaded.parent) for flag in flags]
    assert score(loaded, "http://127.0.0.1:9", *given) == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_tracking_server_that_is_not_there_is_told_soon(
    loaded: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    requests_before = os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    assert score(loaded, "http://127.0.0.1:9") == 2
    error = capfd.readouterr().err
    assert error.startswith("error: MLflow at http://127.0.0.1:9")
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

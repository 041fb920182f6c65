"""Mistakes in using score_client.py end with one error, and nothing is stored."""

import dataclasses
import os
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import insert, select

import problems
from db.engine import database_url, open_database
from db.tables import model_versions, scoring_runs
from registry import versions
from registry.store import RegistryError
from tests.support.databases import count_scored
from tests.support.scoring import score
from tests.support.scripts import run_script
from tests.support.trained import TrainedStore


def test_another_model_under_a_known_name_stops_with_one_error(
    small_database: str, trained: TrainedStore, champion: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_database(database_url(small_database)) as engine, engine.begin() as connection:
        connection.execute(
            insert(model_versions).values(
                model_id=trained.champion_id,
                logged_model_id="m-of-an-earlier-store",
                registry="sqlite:///gone.db",
                decision_threshold=0.5,
                first_used_at=pd.Timestamp("2020-01-01").to_pydatetime(),
            )
        )
    assert score(small_database, champion) == 2
    assert "m-of-an-earlier-store" in capfd.readouterr().err
    assert count_scored(small_database) == 0
    with open_database(database_url(small_database)) as engine, engine.connect() as connection:
        assert not connection.execute(select(scoring_runs)).all()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--model", "models:/offer-click@nobody"), "has no version models:/offer-click@nobody"),
        (("--model", "models:/offer-click/99"), "has no version"),
        (("--model", "champion"), "does not name a version"),
        (("--problem", "weather"), "There is no problem 'weather'"),
        (("--problem", "{broken}"), "cannot be imported (SyntaxError"),
    ],
)
def test_a_version_or_problem_that_does_not_exist_is_one_error(
    flags: tuple[str, str],
    sentence: str,
    small_database: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "__init__.py").write_text("PROBLEM = = 1\n")
    arguments = [flag.format(broken=tmp_path) for flag in flags]
    assert score(small_database, "http://127.0.0.1:9", *arguments) == 2
    error = capfd.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_a_version_of_another_problem_or_of_other_features_is_refused(
    trained: TrainedStore,
) -> None:
    problem, version = problems.load(), trained.version()
    assert versions.problem_for_version(version, problem).features == problem.features
    with pytest.raises(RegistryError, match="was trained for offer_click, not for loan_risk"):
        versions.problem_for_version(version, problems.load("loan_risk"))
    older = dataclasses.replace(version, features=version.features[:-1])
    with pytest.raises(RegistryError, match="train and promote again"):
        versions.problem_for_version(older, problem)


def test_an_unreachable_tracking_server_is_reported_without_retries(
    small_database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    retries = os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    assert score(small_database, "http://127.0.0.1:9") == 2
    error = capfd.readouterr().err
    assert error.startswith("error: MLflow at http://me:***@127.0.0.1:9")
    assert "secret" not in error
    assert error.count("\n") == 1
    assert os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES") == retries


def test_scoring_leaves_the_tracking_uri_as_it_was(
    small_database: str, trained: TrainedStore, champion: str
) -> None:
    assert score(small_database, champion, "--limit", 10) == 0
    assert os.environ["MLFLOW_TRACKING_URI"] == trained.tracking_uri


def test_without_a_database_or_a_store_nothing_is_created(tmp_path: Path) -> None:
    done = run_script("score_client.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "python ingest.py" in done.stderr
    assert run_script("ingest.py", cwd=tmp_path).returncode == 0
    done = run_script("score_client.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "python train.py" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"even_financial.db"}

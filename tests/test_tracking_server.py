"""Everything through a real `mlflow server` on PostgreSQL, with the tables in PostgreSQL too."""

import os
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests

from serving.local import free_port
from tests.asking import JSON, ROWS, ask, records
from tests.helpers import (
    SAMPLE_OFFERS,
    mlflow_run,
    new_postgres_database,
    query,
    run_script,
)
from tests.servers import our_server, serving, tracking_server


@pytest.fixture(scope="module")
def tracking(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a tracking server, whose store is in PostgreSQL."""
    folder = tmp_path_factory.mktemp("tracking")
    with tracking_server(new_postgres_database(postgres), folder, free_port()) as url:
        yield url


def test_the_whole_chain_runs_against_a_tracking_server_on_postgresql(
    tracking: str, postgres: str, tmp_path: Path
) -> None:
    database = new_postgres_database(postgres)
    told = {"MLFLOW_TRACKING_URI": tracking, "DATABASE_URL": database}
    mlflow_run(tmp_path, uri=tracking, database=database, quick="yes")
    assert not list(tmp_path.iterdir())  # nothing is kept where the client is
    client = mlflow.MlflowClient(tracking)
    champion = client.get_model_version_by_alias("offer-click", "champion")
    assert champion.run_id
    assert client.get_run(champion.run_id).info.artifact_uri.startswith("mlflow-artifacts:/")

    history = run_script("promote.py", "--history", cwd=tmp_path, **told)
    assert "1 decisions" in history.stdout
    with (
        serving("models:/offer-click@champion", tracking, tmp_path / "serve.log") as theirs,
        our_server(tracking, tmp_path, workers=1) as ours,
    ):
        answers = [ask(url, JSON, records(*ROWS)).json() for url in (theirs, ours.url)]
        assert answers[0] == answers[1]
        for endpoint, limit in ((theirs, 20_000), (ours.url, 0)):
            flags = ("--endpoint", endpoint, "--limit", limit)
            done = run_script("score_client.py", *flags, cwd=tmp_path, **told)
            assert done.returncode == 0, done.stderr
    model_id = f"offer-click/{champion.version}"
    assert query(database, "SELECT model_id, count(*) FROM results_clicked GROUP BY model_id") == [
        (model_id, SAMPLE_OFFERS)
    ]
    experiment = client.get_experiment_by_name("scoring")
    assert experiment
    scored = [
        run.data.metrics["run_scored"] for run in client.search_runs([experiment.experiment_id])
    ]
    assert sorted(scored) == sorted([20_000, SAMPLE_OFFERS - 20_000])


def test_a_server_with_a_login_is_used_by_name_and_password(postgres: str, tmp_path: Path) -> None:
    password = "a pass phrase"  # noqa: S105
    environment = {
        "FLAGS": "--app-name basic-auth",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.urandom(16).hex(),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
    }
    store = new_postgres_database(postgres)
    with tracking_server(store, tmp_path, free_port(), **environment) as url:
        ask_for = ("promote.py", "--history")
        refused = run_script(*ask_for, cwd=tmp_path, MLFLOW_TRACKING_URI=url)
        assert refused.returncode == 2
        assert "You are not authenticated" in refused.stderr
        assert refused.stderr.count("\n") == 1
        login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password}
        allowed = run_script(*ask_for, cwd=tmp_path, MLFLOW_TRACKING_URI=url, **login)
        assert allowed.returncode == 0, allowed.stderr
        stranger = requests.get(url, headers={"Host": "mlflow.example"}, timeout=60)
        assert stranger.status_code == 403

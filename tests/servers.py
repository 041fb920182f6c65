"""Real servers as processes of their own: MLflow's, ours, and a tracking server."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from serving.local import free_port
from tests.helpers import PROJECT, path_with_python, told_only, wait_for


@contextlib.contextmanager
def running(
    command: Sequence[object],
    log: Path,
    up: Callable[[], bool],
    *,
    environment: dict[str, str],
    cwd: Path | None = None,
    errors: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server and all that it starts, from when it is `up`; killed at the end."""
    with contextlib.ExitStack() as files:
        out = files.enter_context(log.open("wb"))
        err = files.enter_context(errors.open("wb")) if errors else out
        process = subprocess.Popen(
            [*map(str, command)],
            cwd=cwd,
            env=told_only({"PATH": path_with_python(), **environment}),
            stdout=out,
            stderr=err,
            start_new_session=True,
        )

    def ready() -> bool:
        assert process.poll() is None, (errors or log).read_text()
        with contextlib.suppress(requests.ConnectionError):
            return up()
        return False

    try:
        wait_for(ready, f"{command[:4]}")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def serving(uri: str, tracking_uri: str, log: Path, port: int = 0) -> Iterator[str]:
    """A real `mlflow models serve` process, killed at the end; gives its address."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "-p", port]
    command += ["--env-manager", "local"]

    def up() -> bool:
        return requests.get(f"{url}/ping", timeout=5).ok

    with running(command, log, up, environment={"MLFLOW_TRACKING_URI": tracking_uri}):
        yield url


@contextlib.contextmanager
def tracking_server(store: str, folder: Path, port: int, **environment: str) -> Iterator[str]:
    """A real tracking server on this store, as `make server` starts it; gives its address."""
    url, log = f"http://127.0.0.1:{port}", folder / "tracking.log"
    command = ["make", "-f", PROJECT / "Makefile", "-o", ".venv/run.stamp", "server"]
    command += [f"BIN={Path(sys.executable).parent}"]
    environment |= {"STORE": store, "MLFLOW_PORT": str(port), "MLFLOW_WORKERS": "1"}

    def up() -> bool:
        return requests.get(f"{url}/health", timeout=5).ok

    with running(command, log, up, cwd=folder, environment=environment):
        yield url


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

    def lines_of(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The lines that the log has, or will have, of these requests."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("request_id") in ids]

        wait_for(lambda: len(found()) == len(ids), "a line for each request")
        return found()

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
    port, log, errors = free_port(), folder / "serve.log", folder / "serve.err"
    command = [sys.executable, PROJECT / "serve.py", "--port", port, "--workers", workers]
    command += ["--refresh", 0.2, *flags]

    def up() -> bool:
        return errors.read_text().count("startup complete") >= workers

    environment = {"MLFLOW_TRACKING_URI": tracking_uri}
    with running(command, log, up, environment=environment, errors=errors) as process:
        yield Server(f"http://127.0.0.1:{port}", process, log)

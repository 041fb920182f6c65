"""Real servers as processes of their own: MLflow's, ours, and a tracking server."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from serving.local import free_port
from tests.helpers import PROJECT, path_with_python, told_only, wait_for


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
            env=told_only({"PATH": path_with_python()}),
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
            env=told_only({"MLFLOW_TRACKING_URI": tracking_uri}),
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

"""Run real servers as processes: MLflow's, serve.py, the form, and a tracking server."""

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

from scoring.local_server import free_port
from tests.support.project import PROJECT
from tests.support.scripts import path_with_python, script_environment
from tests.support.waiting import wait_for

STOP_SECONDS = 20


@contextlib.contextmanager
def run_server(
    command: Sequence[object],
    log: Path,
    is_up: Callable[[], bool],
    *,
    environment: dict[str, str],
    cwd: Path | None = None,
    error_log: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server and its children; the body starts once the server is up."""
    with contextlib.ExitStack() as files:
        out = files.enter_context(log.open("wb"))
        err = files.enter_context(error_log.open("wb")) if error_log else out
        process = subprocess.Popen(
            [*map(str, command)],
            cwd=cwd or log.parent,
            env=script_environment({"PATH": path_with_python(), **environment}),
            stdout=out,
            stderr=err,
            start_new_session=True,
        )

    def is_ready() -> bool:
        assert process.poll() is None, (error_log or log).read_text()
        with contextlib.suppress(requests.ConnectionError):
            return is_up()
        return False

    try:
        wait_for(is_ready, f"{command[:4]}")
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):  # SIGKILL for the rest of its process group
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)


def _answers(url: str) -> Callable[[], bool]:
    return lambda: requests.get(url, timeout=5).ok


@contextlib.contextmanager
def mlflow_models_serve(uri: str, tracking_uri: str, log: Path, port: int = 0) -> Iterator[str]:
    """Run a real `mlflow models serve`; yields its address."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "-p", port]
    command += ["--env-manager", "local"]
    environment = {"MLFLOW_TRACKING_URI": tracking_uri}
    with run_server(command, log, _answers(f"{url}/ping"), environment=environment):
        yield url


@contextlib.contextmanager
def tracking_server(store: str, folder: Path, port: int, **environment: str) -> Iterator[str]:
    """Run a real tracking server as `make server` starts it; yields its address."""
    url, log = f"http://127.0.0.1:{port}", folder / "tracking.log"
    command = ["make", "-f", PROJECT / "Makefile", "-o", ".venv/run.stamp", "server"]
    command += [f"BIN={Path(sys.executable).parent}"]
    environment |= {"STORE": store, "MLFLOW_PORT": str(port), "MLFLOW_WORKERS": "1"}
    is_up = _answers(f"{url}/health")
    with run_server(command, log, is_up, cwd=folder, environment=environment):
        yield url


@contextlib.contextmanager
def form_server(
    tracking_uri: str, database: Path | str, folder: Path, *flags: object
) -> Iterator[str]:
    """Run a real `python -m form`; yields its address."""
    port, log = free_port(), folder / "form.log"
    command = [sys.executable, "-m", "form", "--database", database, "--port", port, *flags]
    url = f"http://127.0.0.1:{port}"
    environment = {"MLFLOW_TRACKING_URI": tracking_uri}
    with run_server(command, log, _answers(url), cwd=PROJECT, environment=environment) as process:
        yield url
        process.terminate()
        assert process.wait(60) in (0, 143), log.read_text()


@dataclass(frozen=True)
class ServePy:
    """A running serve.py: its address, its process, and its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events in its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def log_lines_of(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Wait for the log events of these requests, and return them."""

        def lines() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("request_id") in ids]

        wait_for(lambda: len(lines()) == len(ids), "a log line for each request")
        return lines()

    def model(self, alias: str = "") -> dict[str, Any]:
        """Return the response of GET /model from any worker."""
        answer = requests.get(f"{self.url}{alias and '/'}{alias}/model", timeout=60)
        return dict(answer.json())

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over its series with these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(
                requests.get(f"{self.url}/metrics", timeout=60).text
            )
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_until_all_serve(self, version: str, workers: int = 2) -> None:
        """Wait until every worker serves this version for the first alias."""
        wait_for(
            lambda: self.metric("scoring_version_workers", version=version) == workers,
            f"{workers} workers to serve {version}",
        )


@contextlib.contextmanager
def serve_py(
    tracking_uri: str,
    folder: Path,
    *flags: object,
    workers: int = 2,
    refresh: float = 3600,
    descriptors: int = 0,
) -> Iterator[ServePy]:
    """A real serve.py whose workers are ready; by default it never looks at the aliases again.

    `descriptors` is its hard limit of file descriptors, if not 0.
    """
    port, log, error_log = free_port(), folder / "serve.log", folder / "serve.err"
    command = [sys.executable, PROJECT / "serve.py", "--port", port, "--workers", workers]
    command += ["--refresh", refresh, *flags]
    if descriptors:
        command = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *command]

    def is_up() -> bool:
        return error_log.read_text().count("startup complete") >= workers

    environment = {"MLFLOW_TRACKING_URI": tracking_uri}
    with run_server(command, log, is_up, environment=environment, error_log=error_log) as process:
        yield ServePy(f"http://127.0.0.1:{port}", process, log)

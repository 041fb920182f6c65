"""The application of a worker of serve.py in a thread of this process, which starts quickly.

Tests of several workers, of /metrics and of signals need a real serve.py:
`tests.support.servers.serve_py`.
"""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import requests
import uvicorn

import problems
from serving import application, connections, settings, telemetry
from tests.support.waiting import wait_for

MIB = 2**20


@dataclass(frozen=True)
class ServeApp:
    """A running application: its URL, and the file with its log."""

    url: str
    log: Path

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def log_line_of(self, response: requests.Response) -> dict[str, Any]:
        """The log line of this request, which is written after the response."""
        request_id = response.headers["X-Request-ID"]

        def lines() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("request_id") == request_id]

        (line,) = wait_for(lines, "the log line of the request")
        return dict(line)

    def model(self, alias: str = "") -> dict[str, Any]:
        """The response of GET /model."""
        return dict(requests.get(f"{self.url}{alias and '/'}{alias}/model", timeout=60).json())


def in_flight() -> float:
    """The number of requests in progress in this process."""
    return prometheus_client.REGISTRY.get_sample_value("scoring_in_flight") or 0.0


@contextlib.contextmanager
def serve_app(
    tracking_uri: str,
    folder: Path,
    *,
    aliases: Sequence[str] = ("champion",),
    refresh_seconds: float = 3600,
    timeout_seconds: float = 60,
    max_in_flight: int = 64,
    max_body_bytes: int = 32 * MIB,
    max_rows: int = 100_000,
    token_file: Path | str = "",
) -> Iterator[ServeApp]:
    """Run the application for the versions of offer-click, with its log in `folder`."""
    problem = problems.load()
    log, metrics = folder / "serve_app.log", folder / "metrics"
    metrics.mkdir()
    with _worker_environment() as patch, log.open("w") as log_file:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        patch.setenv(settings.METRICS_FOLDER, str(metrics))
        patch.setattr(telemetry, "sys", _Streams(log_file))
        settings.Settings(
            model_name=problem.model_name,
            outcome_labels=problem.outcome_labels,
            aliases=tuple(aliases),
            refresh_seconds=refresh_seconds,
            timeout_seconds=timeout_seconds,
            max_in_flight=max_in_flight,
            max_body_bytes=max_body_bytes,
            max_rows=max_rows,
            token_file=str(token_file),
            supervisor_pid=os.getppid(),  # otherwise the worker would stop at once
        ).to_environment()
        with _run(application.create_app()) as url:
            yield ServeApp(url, log)


@dataclass(frozen=True)
class _Streams:
    """Replaces the module `sys` in `serving.telemetry`, which uses only `stdout`."""

    stdout: Any


@contextlib.contextmanager
def _worker_environment() -> Iterator[pytest.MonkeyPatch]:
    """Restore what `create_app` changes in the process, except warnings, which pytest restores."""
    loggers = [logging.getLogger(name) for name in application.SILENCED_LOGGERS]
    levels = [logger.level for logger in loggers]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.SETTINGS_VARIABLE, "")
        yield patch
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@contextlib.contextmanager
def _run(app: Any) -> Iterator[str]:
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        http=connections.Connection,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive(), "the application to start")
        ((_, port),) = [sock.getsockname() for s in server.servers for sock in s.sockets]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        wait_for(lambda: not thread.is_alive(), "the server to stop")

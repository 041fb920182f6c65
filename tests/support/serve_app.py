"""The application of serve.py in a thread of this process, where it is ready in half a second.

It is what `serving.application.create` makes in each worker. What this cannot show needs a real
serve.py (`tests.support.servers.serve_py`): several workers, /metrics, signals.
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
    """The application at work: its address, and the file with its log."""

    url: str
    log: Path

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def log_line_of(self, response: requests.Response) -> dict[str, Any]:
        """The line about this request, which comes after its response."""
        request_id = response.headers["X-Request-ID"]

        def lines() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("request_id") == request_id]

        (line,) = wait_for(lines, "the request's line in the log")
        return dict(line)

    def model(self, alias: str = "") -> dict[str, Any]:
        """The answer of GET /model."""
        return dict(requests.get(f"{self.url}{alias and '/'}{alias}/model", timeout=60).json())


def in_flight() -> float:
    """How many requests the application in this process is at work on."""
    return prometheus_client.REGISTRY.get_sample_value("scoring_in_flight") or 0.0


@contextlib.contextmanager
def serve_app(
    tracking_uri: str,
    folder: Path,
    *,
    aliases: Sequence[str] = ("champion",),
    refresh: float = 3600,
    timeout: float = 60,
    in_flight: int = 64,
    max_body: int = 32 * MIB,
    max_rows: int = 100_000,
    tokens: Path | str = "",
) -> Iterator[ServeApp]:
    """The application for versions of offer clicks, with its log in `folder`."""
    problem = problems.load()
    log, metrics = folder / "serve_app.log", folder / "metrics"
    metrics.mkdir()
    with _environment_of_a_worker() as patch, log.open("w") as log_file:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        patch.setenv(settings.METRICS_FOLDER, str(metrics))
        patch.setattr(telemetry, "sys", _Streams(log_file))
        settings.Settings(
            model_name=problem.model_name,
            words=problem.outcome_labels,
            aliases=tuple(aliases),
            refresh=refresh,
            timeout=timeout,
            in_flight=in_flight,
            max_body=max_body,
            max_rows=max_rows,
            tokens=str(tokens),
            supervisor=os.getppid(),  # otherwise it thinks its supervisor died, and ends
        ).to_environment()
        with _running(application.create()) as url:
            yield ServeApp(url, log)


@dataclass(frozen=True)
class _Streams:
    """What `serving.telemetry` uses of the module `sys`: where the log goes."""

    stdout: Any


@contextlib.contextmanager
def _environment_of_a_worker() -> Iterator[pytest.MonkeyPatch]:
    """Undo afterwards what `create` sets in the process; pytest undoes the filter of warnings."""
    loggers = [logging.getLogger(name) for name in application.SILENCED_LOGGERS]
    levels = [logger.level for logger in loggers]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.SETTINGS_VARIABLE, "")
        yield patch
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@contextlib.contextmanager
def _running(app: Any) -> Iterator[str]:
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

"""serve.py as processes: what signals do to its workers and to requests in progress."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import requests

from scoring.local_server import free_port
from tests.support.project import PROJECT
from tests.support.request_bodies import JSON, ROWS, invoke, records_body
from tests.support.scripts import run_script
from tests.support.servers import run_server, serve_py
from tests.support.trained import TrainedStore
from tests.support.waiting import wait_for

STARTS_WORKERS, WORKER_IS_READY = "Started parent process", "startup complete"


def test_sigterm_finishes_the_requests_in_progress(trained: TrainedStore, tmp_path: Path) -> None:
    with (
        serve_py(trained.tracking_uri, tmp_path, workers=1) as server,
        ThreadPoolExecutor(1) as client,
    ):
        response = client.submit(invoke, server.url, JSON, records_body(*ROWS * 15_000))
        wait_for(lambda: server.metric("scoring_in_flight") == 1, "a request in progress")
        server.process.send_signal(signal.SIGTERM)
        assert len(response.result().json()["predictions"]) == 45_000
        assert server.process.wait(60) == 143
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{server.url}/ping", timeout=5)


def start_serve_py(
    port: int, trained: TrainedStore, folder: Path, *, workers: int, until: str
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Start serve.py and wait until the supervisor or each worker has logged this text."""
    error_log = folder / "serve.err"
    command = [sys.executable, PROJECT / "serve.py", "--port", port, "--workers", workers]
    return run_server(
        command,
        folder / "serve.log",
        lambda: error_log.read_text().count(until) == (workers if until == WORKER_IS_READY else 1),
        environment={"MLFLOW_TRACKING_URI": trained.tracking_uri},
        error_log=error_log,
    )


def is_free(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) != 0


def test_workers_stop_if_their_supervisor_is_killed(trained: TrainedStore, tmp_path: Path) -> None:
    port = free_port()
    with start_serve_py(port, trained, tmp_path, workers=2, until=WORKER_IS_READY) as supervisor:
        second = run_script(
            "serve.py", "--port", port, cwd=tmp_path, MLFLOW_TRACKING_URI=trained.tracking_uri
        )
        assert second.returncode == 2
        assert "Address already in use" in second.stderr
        assert not is_free(port)
        supervisor.kill()
        wait_for(lambda: is_free(port), "the port to be free again")


@pytest.mark.parametrize(
    "signals",
    [[signal.SIGKILL], [signal.SIGTERM, signal.SIGTERM]],  # the second one stops it at once
    ids=["killed", "terminated twice"],
)
def test_a_signal_while_the_workers_start_stops_all_of_them(
    signals: list[signal.Signals], trained: TrainedStore, tmp_path: Path
) -> None:
    port = free_port()
    with start_serve_py(port, trained, tmp_path, workers=2, until=STARTS_WORKERS) as supervisor:
        assert not is_free(port)
        for number in signals:
            supervisor.send_signal(number)
        assert supervisor.wait(60) in (-signals[0], 128 + signals[0])
        wait_for(lambda: is_free(port), "the port to be free again")

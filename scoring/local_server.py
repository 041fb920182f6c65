"""Run a server on this machine for as long as it is needed, usually `mlflow models serve`."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import requests

from scoring.errors import EndpointError

START_SECONDS = 180  # enough to load a model on a slow machine
STOP_SECONDS = 20


def free_port() -> int:
    """Return a port of this machine on which no process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serve_model(uri: str, workers: int = 1) -> Iterator[str]:
    """Run `mlflow models serve` for a model version on a free port; yields the server's address.

    Raises:
        EndpointError: the server does not start; its log has been printed.
    """
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri]
    command += ["--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    command += ["--workers", str(workers)]
    environment = {
        # for OpenBLAS, too: a second thread gains little on the rows of one request; it would spin
        # on the core that the client needs, and slow it down by up to a quarter on two cores
        "OMP_NUM_THREADS": "1",
        **os.environ,
        # mlflow starts uvicorn by name
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    endpoint = f"http://127.0.0.1:{port}"
    with run_server(command, f"{endpoint}/ping", environment):
        yield endpoint


@contextlib.contextmanager
def run_server(
    command: Sequence[str], probe_url: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server and its workers; the body starts once the server answers at `probe_url`.

    Raises:
        EndpointError: the server does not start; its log has been printed.
    """
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_up(server, probe_url, log)
            yield
        finally:
            _stop(server)


def _wait_until_up(server: subprocess.Popen[bytes], probe_url: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException), requests.Session() as session:
            session.trust_env = False  # no proxy
            if session.get(probe_url, timeout=5).ok:
                return
        time.sleep(0.2)
    log.seek(0)
    sys.stderr.write(log.read().decode(errors="replace")[-3000:])
    raise EndpointError(f"No server started at {probe_url}: see its log above.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server and its workers: SIGTERM first, SIGKILL after `STOP_SECONDS`."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
            return

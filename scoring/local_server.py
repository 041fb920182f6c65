"""Servers on this machine, for as long as they are needed: `mlflow models serve`, above all."""

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

START_SECONDS = 180  # to load a model, on a slow machine
STOP_SECONDS = 20


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def serve_model(uri: str, workers: int = 1) -> Iterator[str]:
    """A server of this version on a free port for the body; gives its address.

    Raises:
        EndpointError: it does not come up; its log was printed.
    """
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri]
    command += ["--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    command += ["--workers", str(workers)]
    environment = {
        # one request's small matrices gain nothing from a second thread, which then spins for work
        # on the core that the client needs: up to a quarter of the client's speed on two cores
        "OPENBLAS_NUM_THREADS": "1",
        **os.environ,
        # mlflow starts uvicorn by name
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    endpoint = f"http://127.0.0.1:{port}"
    with run_server(command, f"{endpoint}/ping", environment):
        yield endpoint


@contextlib.contextmanager
def run_server(
    command: Sequence[str], probe: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A server, with all its workers, for the body: from when it answers at the address `probe`.

    Raises:
        EndpointError: it does not come up; its log was printed.
    """
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_up(server, probe, log)
            yield
        finally:
            _stop(server)


def _wait_until_up(server: subprocess.Popen[bytes], probe: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException), requests.Session() as session:
            session.trust_env = False  # no proxy
            if session.get(probe, timeout=5).ok:
                return
        time.sleep(0.2)
    log.seek(0)
    sys.stderr.write(log.read().decode(errors="replace")[-3000:])
    raise EndpointError(f"No server came up at {probe}: see its log above.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server with all its workers, kindly first."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
            return

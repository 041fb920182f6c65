"""Run MLflow's own scoring server in a thread, which starts faster than a process.

It answers what `mlflow models serve` answers, by the same application.
"""

import contextlib
import threading
from collections.abc import Iterator

import mlflow
import uvicorn
from mlflow.pyfunc import scoring_server

from tests.support.waiting import wait_for


@contextlib.contextmanager
def model_server(tracking_uri: str, uri: str) -> Iterator[str]:
    """Run MLflow's scoring server for a model version; yields its address."""
    mlflow.set_tracking_uri(tracking_uri)
    app = scoring_server.init(mlflow.pyfunc.load_model(uri))
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, "the model server")
        ((_, port),) = [sock.getsockname() for s in server.servers for sock in s.sockets]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        wait_for(lambda: not thread.is_alive(), "the server to stop")

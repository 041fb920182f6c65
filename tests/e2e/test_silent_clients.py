"""serve.py and the form respond to clients while others never finish their requests."""

import contextlib
from pathlib import Path

import requests

from tests.support.raw_http import connect
from tests.support.servers import form_server, serve_py
from tests.support.trained import TrainedStore

HALF_A_HEADER = b"GET /ping HTTP/1.1\r\nHost:"
HALF_A_BODY = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 100\r\n\r\nfield_0="
)


def test_serve_py_responds_with_more_silent_clients_than_file_descriptors(
    trained: TrainedStore, tmp_path: Path
) -> None:
    with (
        serve_py(trained.tracking_uri, tmp_path, workers=1, descriptors=256) as server,
        contextlib.ExitStack() as silent,
    ):
        for _ in range(700):
            silent.enter_context(connect(server.url)).sendall(HALF_A_HEADER)
        for _ in range(3):
            assert requests.get(f"{server.url}/ping", timeout=30).ok


def test_the_form_responds_while_clients_are_silent(
    trained: TrainedStore, small_database: str, tmp_path: Path
) -> None:
    with (
        form_server(trained.tracking_uri, small_database, tmp_path) as url,
        contextlib.ExitStack() as silent,
    ):
        for request in [HALF_A_HEADER, HALF_A_BODY] * 15:
            silent.enter_context(connect(url)).sendall(request)
        assert requests.get(url, timeout=30).ok

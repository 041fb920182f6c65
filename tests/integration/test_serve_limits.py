"""The limits of serve.py on body size, request time, and concurrent requests."""

import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from serving import body_limits
from tests.support.raw_http import connect
from tests.support.request_bodies import (
    FRAME,
    JSON,
    PARQUET,
    ROWS,
    invoke,
    parquet_body,
    records_body,
)
from tests.support.serve_app import MIB, in_flight, serve_app
from tests.support.trained import TrainedStore
from tests.support.waiting import wait_for

pytestmark = pytest.mark.filterwarnings("ignore")  # as in the workers of serve.py


def start_request(url: str) -> socket.socket:
    """Send a request without most of its body, so that the server waits for it."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.sendall(
        b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    return connection


@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "in pieces"])
def test_a_body_above_the_size_limit_is_rejected(
    trained: TrainedStore, tmp_path: Path, *, in_pieces: bool
) -> None:
    body = records_body(*ROWS * 10_000).encode()
    assert len(body) > MIB
    pieces = (body[i : i + 9999] for i in range(0, len(body), 9999))
    with serve_app(trained.tracking_uri, tmp_path, max_body_bytes=MIB) as app:
        response = requests.post(
            f"{app.url}/invocations",
            data=pieces if in_pieces else body,
            headers={"Content-Type": JSON},
            timeout=60,
        )
        assert response.status_code == 413
        assert "1,048,576 bytes" in response.json()["message"]
        assert invoke(app.url, JSON, records_body(ROWS[0])).status_code == 200


def test_a_request_above_the_limit_of_concurrent_requests_is_rejected(
    trained: TrainedStore, tmp_path: Path
) -> None:
    with serve_app(trained.tracking_uri, tmp_path, max_in_flight=2) as app:
        with start_request(app.url), start_request(app.url):
            wait_for(lambda: in_flight() == 2, "two requests in progress")
            third = invoke(app.url, JSON, records_body(ROWS[0]))
            assert third.status_code == 429
            assert third.headers["Retry-After"] == "1"
        wait_for(lambda: in_flight() == 0, "both requests to end")
        assert invoke(app.url, JSON, records_body(ROWS[0])).status_code == 200
        errors = [event["error"] for event in app.events if "error" in event]
        assert sorted(errors) == ["BUSY", "CLIENT_LEFT", "CLIENT_LEFT"]


def test_a_request_ends_after_the_time_limit(trained: TrainedStore, tmp_path: Path) -> None:
    with serve_app(trained.tracking_uri, tmp_path, timeout_seconds=0.2) as app:
        with start_request(app.url) as slow:
            assert slow.recv(1000).startswith(b"HTTP/1.1 504")
        wait_for(lambda: in_flight() == 0, "the request to end")
        assert app.model()["refused"] is None


def test_a_request_that_waits_for_another_ends_after_the_time_limit(
    trained: TrainedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()

    def read_slowly(body: bytes, *_args: object) -> bytes:
        may_end.wait()
        return body

    monkeypatch.setattr(body_limits, "apply_limits", read_slowly)
    body = parquet_body(FRAME)
    with serve_app(trained.tracking_uri, tmp_path, timeout_seconds=0.5) as app:
        try:
            with ThreadPoolExecutor(2) as pool:
                responses = list(pool.map(lambda _: invoke(app.url, PARQUET, body), range(2)))
            assert [response.status_code for response in responses] == [504, 504]
            wait_for(lambda: in_flight() == 1, "the waiting request to end")
        finally:
            may_end.set()
        wait_for(lambda: in_flight() == 0, "the other request to end")


def test_a_small_body_with_many_rows_is_rejected(trained: TrainedStore, tmp_path: Path) -> None:
    body = parquet_body(FRAME.loc[[0] * 200_000].reset_index(drop=True))
    assert len(body) < MIB / 8
    with serve_app(trained.tracking_uri, tmp_path) as app:
        response = invoke(app.url, PARQUET, body)
        assert response.status_code == 413
        assert "100,000 rows" in response.json()["message"]
        assert in_flight() == 0


def test_the_bodies_of_all_requests_have_a_common_size_limit(
    trained: TrainedStore, tmp_path: Path
) -> None:
    half = b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: text/csv\r\n"
    half += b"Content-Length: %d\r\n\r\n" % MIB + b" " * (MIB * 7 // 10)
    with (
        serve_app(trained.tracking_uri, tmp_path, max_body_bytes=MIB) as app,
        connect(app.url) as first,
        connect(app.url) as second,
        connect(app.url) as third,
    ):
        for client in (first, second, third):
            client.sendall(half)
        readable, _, _ = select.select([first, second, third], [], [], 60)
        assert readable[0].recv(1000).startswith(b"HTTP/1.1 429")
        wait_for(lambda: in_flight() == 2, "the third request to end")
        assert invoke(app.url, JSON, records_body(ROWS[0])).status_code == 200

"""Endpoints that keep a client waiting byte by byte: a request ends at its timeout."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from scoring.endpoint import ModelEndpoint, Timeouts
from scoring.errors import TimedOut

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# what the endpoint sends at once, and what it sends again and again
RESPONSES = {
    "headers": (b"HTTP/1.1 200 OK\r\nServer: ", b"x"),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a chunk's extension": (CHUNKED + b"1;", b"x"),
    "trailers": (CHUNKED + b"0\r\n", b"Name: value\r\n"),
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b" "),
}


@contextlib.contextmanager
def endless_endpoint(first: bytes, again: bytes) -> Iterator[str]:
    """A server that never ends its response; gives its address."""

    def respond() -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(2**16)
            connection.sendall(first)
            while not stop.wait(0.02):
                connection.sendall(again)

    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=respond)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("part", RESPONSES)
def test_a_response_that_never_ends_times_out(part: str) -> None:
    with endless_endpoint(*RESPONSES[part]) as url:
        endpoint = ModelEndpoint(url, Timeouts(connect=0.2, read=0.3))
        with pytest.raises(TimedOut, match=r"within 0\.3 seconds"):
            endpoint.predict(pa.table({"apr": [9.9]}))

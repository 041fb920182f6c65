"""Connections to serve.py: requests of ambiguous length, and slow or silent clients."""

from collections.abc import Iterator

import pytest
import requests

from serving import connections
from tests.support.raw_http import connect, read_to_end
from tests.support.request_bodies import ROWS, records_body
from tests.support.serve_app import ServeApp, in_flight, serve_app
from tests.support.trained import TrainedStore
from tests.support.waiting import wait_for

pytestmark = pytest.mark.filterwarnings("ignore")  # as in the workers of serve.py
SMUGGLED = b"GET /version HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
HALF_A_HEADER = b"GET /ping HTTP/1.1\r\nHost:"
HALF_A_BODY = POST + b"Content-Length: 100\r\n\r\n{"


@pytest.fixture(scope="module")
def app(trained: TrainedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeApp]:
    with serve_app(trained.tracking_uri, tmp_path_factory.mktemp("serve")) as app:
        yield app


@pytest.mark.parametrize(
    "request_head",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        POST + b"Content-Length: 0, 5\r\n\r\n",
        POST + b"Content-Length: +0\r\n\r\n",
        POST + b"Content-Length: 0\r\nTransfer-Encoding: identity\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_request_of_ambiguous_length_is_rejected_together_with_the_next_one(
    app: ServeApp, request_head: bytes
) -> None:
    with connect(app.url) as client:
        client.sendall(request_head + SMUGGLED)
        responses = read_to_end(client)
    assert responses.startswith(b"HTTP/1.1 400")
    assert responses.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("data", [b"", HALF_A_HEADER, HALF_A_BODY])
def test_a_client_that_sends_too_slowly_is_disconnected(
    app: ServeApp, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.1)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.1)
    with connect(app.url) as client:
        client.sendall(data)
        assert read_to_end(client) == b""
    wait_for(lambda: in_flight() == 0, "the request to end")


def test_a_client_that_does_not_read_responses_is_disconnected(
    app: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RESPONSE_SECONDS", 0.1)
    body = records_body(*ROWS * 1000).encode()
    request = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with connect(app.url, receive_buffer=4096) as client, pytest.raises(ConnectionError):
        client.sendall(request * 100)


def test_the_longest_waiting_connection_is_closed_when_there_are_too_many(
    app: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    with connect(app.url) as oldest, connect(app.url) as second, connect(app.url) as third:
        for client, data in ((oldest, HALF_A_HEADER), (second, HALF_A_BODY), (third, b"")):
            client.sendall(data)
        assert requests.get(f"{app.url}/ping", timeout=60).ok
        assert read_to_end(oldest) == b""
        third.sendall(SMUGGLED)
        assert third.recv(1000).startswith(b"HTTP/1.1 200")


def test_pipelined_requests_get_responses_in_their_order(app: ServeApp) -> None:
    ping = b"GET /ping HTTP/1.1\r\nHost: here\r\n\r\n"
    last = b"GET /none HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    with connect(app.url) as client:
        client.sendall(ping * 200 + last)
        responses = read_to_end(client)
    assert responses.count(b"HTTP/1.1 200") == 200
    assert b"HTTP/1.1 404" in responses.rpartition(b"HTTP/1.1 200")[2]


def test_a_body_with_too_many_chunks_is_rejected(
    app: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_BODY_PIECES", 100)
    with connect(app.url) as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 200)
        assert read_to_end(client).startswith(b"HTTP/1.1 400")

"""Run a real HTTP server in a thread; a function decides how it answers each request."""

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import requests

PARQUET = {"Content-Type": "application/vnd.apache.parquet"}


class Response(NamedTuple):
    status: int
    content_type: str
    content: bytes
    headers: Mapping[str, str] = {}
    trickle_seconds: float = 0  # how long sending the content takes


@dataclass(frozen=True)
class Request:
    """A received request: its number from 1, its content, its time, and the requests in flight."""

    number: int
    headers: Mapping[str, str]
    body: bytes
    arrived: float  # by the monotonic clock
    in_flight: int

    @property
    def rows(self) -> pa.Table:
        """The rows of the request, including the canary rows."""
        return pq.read_table(io.BytesIO(self.body))


Script = Callable[[Request], Response | None]  # None closes the connection


@dataclass
class ScriptedEndpoint:
    """The server's address, its script, and the requests it has received."""

    url: str = ""
    script: Script = lambda _request: None
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def receive(self, headers: Mapping[str, str], body: bytes) -> Iterator[Request]:
        with self.lock:
            self.in_flight += 1
            request = Request(
                len(self.requests) + 1, headers, body, time.monotonic(), self.in_flight
            )
            self.requests.append(request)
        try:
            yield request
        finally:
            with self.lock:
                self.in_flight -= 1


def forward(endpoint: str, body: bytes) -> Response:
    """Return the response of a real server to this body."""
    answer = requests.post(f"{endpoint}/invocations", data=body, headers=PARQUET, timeout=60)
    return Response(answer.status_code, answer.headers["Content-Type"], answer.content)


def refuse(status: int, **headers: str) -> Response:
    """Return a response with this status and an empty body."""
    with_dashes = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, "text/plain", b"", with_dashes)


@contextlib.contextmanager
def scripted_endpoint(port: int = 0) -> Iterator[ScriptedEndpoint]:
    """Run a server on this port or a free one; without a script it closes each connection."""
    state = ScriptedEndpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with state.receive(dict(self.headers), body) as request:
                answer = state.script(request)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            headers = {
                "Content-Type": answer.content_type,
                "Content-Length": str(len(answer.content)),
            }
            headers |= answer.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a client may have given up
                for byte in answer.content if answer.trickle_seconds else ():
                    self.wfile.write(bytes([byte]))
                    threading.Event().wait(answer.trickle_seconds / len(answer.content))
                if not answer.trickle_seconds:
                    self.wfile.write(answer.content)
            if int(headers["Content-Length"]) > len(answer.content):
                self.close_connection = True

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

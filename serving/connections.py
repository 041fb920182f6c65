"""HTTP connections with protection against slow clients and ambiguous requests.

`Connection` adds three things to uvicorn's protocol: time limits for sending a request and for
reading a response, a limit on connections beyond which the one that has been idle for longest is
closed, and a check that rejects requests of ambiguous length.
"""

import asyncio
import contextlib
import resource
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from cli import UserError

HEADER_SECONDS = 10.0  # to send the headers of the next request
BODY_SECONDS = 60.0  # to send the body of a request
RESPONSE_SECONDS = 60.0  # to read a response
MAX_BODY_PIECES = 100_000  # of a chunked body; each piece costs more time than its bytes
MAX_CONNECTIONS = 1000  # per worker
BACKLOG = 2048
RESERVED_DESCRIPTORS = 64  # for files, databases and pipes


def raise_descriptor_limit() -> None:
    """Raise this process's soft limit on file descriptors to the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a lower limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connection_limit() -> int:
    """The maximum number of connections of a worker.

    They can use half of its file descriptors: asyncio accepts a whole backlog before a connection
    can be closed.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, (soft - RESERVED_DESCRIPTORS) // 2))


def backlog() -> int:
    """The maximum number of connections that wait to be accepted; asyncio accepts all at once."""
    return min(BACKLOG, connection_limit())


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket that workers can share.

    Raises:
        UserError: the address does not exist or is in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # without the protocol, asyncio would keep Nagle's algorithm: 40 ms per response
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)  # reserve the port at once: another server may be starting too
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UserError(
            f"Cannot listen on {host}:{port} ({error.strerror}): choose another address with "
            "--host or --port."
        ) from error
    return listener


class _StrictConnection(h11.Connection):
    """h11's parser, which also rejects what a proxy could interpret as a second request."""

    _pieces = 0

    def next_event(self) -> Any:
        """The next event of the parser.

        Raises:
            RemoteProtocolError: the request is malformed, has two lengths or too many pieces.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = 0
            names = {name for name, _ in event.headers}
            if b"transfer-encoding" in names and (
                b"content-length" in names or event.http_version < b"1.1"
            ):
                raise h11.RemoteProtocolError("the length of the body is ambiguous")
        elif isinstance(event, h11.Data):
            self._pieces += 1
            if self._pieces > MAX_BODY_PIECES:
                raise h11.RemoteProtocolError("the body has too many pieces")
        return event


class Connection(H11Protocol):
    """A connection that is closed if its client is too slow, or to make room for a new one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _StrictConnection(h11.SERVER, self.conn._max_incomplete_event_size)
        # connections of this server that wait for their clients, in the order of waiting
        self._waiting: dict[Connection, None] = vars(self.server_state).setdefault("waiting", {})
        self._waiting_for: tuple[object, float] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > connection_limit():
            next(iter(self._waiting), self)._abort()
        self._start_time_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        self._start_time_limit()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._start_time_limit()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_time_limit()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._start_time_limit()

    def _start_time_limit(self) -> None:
        """Start the time limit for what the client has to do next, unless it is running already."""
        cycle, seconds = self.cycle, 0.0
        if self.flow.write_paused:
            seconds = RESPONSE_SECONDS
        elif cycle is None or cycle.response_complete:
            seconds = HEADER_SECONDS
        elif cycle.more_body:
            seconds = BODY_SECONDS
        if self._waiting_for == (cycle, seconds):
            return
        self._stop_waiting()
        self._waiting_for = (cycle, seconds)
        if seconds and (not self.transport.is_closing() or self.flow.write_paused):
            self._waiting[self] = None
            self._timer = self.loop.call_later(seconds, self._abort)

    def _stop_waiting(self) -> None:
        self._waiting.pop(self, None)
        if self._timer:
            self._timer.cancel()

    def _abort(self) -> None:
        self._stop_waiting()
        self.transport.abort()

"""A time limit for whole HTTP exchanges.

The timeout of `requests` applies to each read from the socket. A server that sends one byte now
and then, for example in its headers, could keep a client waiting forever.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

_thread = threading.local()  # `deadline` is that of the thread's current exchange


class Deadline:
    """Shuts down the socket of an exchange when its time is over."""

    def __init__(self) -> None:
        self.has_passed = False
        self._socket: socket.socket | None = None

    def watch(self, connection: socket.socket) -> None:
        self._socket = connection
        if self.has_passed:
            self.expire()

    def expire(self) -> None:
        self.has_passed = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is already closed
                self._socket.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[Deadline]:
    """Limit the time of the exchanges of this thread in the body.

    An exchange that takes longer fails with some error of requests or urllib3, and the deadline's
    `has_passed` is true.
    """
    deadline = _thread.deadline = Deadline()
    timer = threading.Timer(seconds, deadline.expire)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()
        _thread.deadline = None


class _WatchedConnection(HTTPConnection):
    def getresponse(self) -> Any:
        if deadline := getattr(_thread, "deadline", None):
            deadline.watch(self.sock)
        return super().getresponse()


class _WatchedSecureConnection(_WatchedConnection, HTTPSConnection):
    pass


class DeadlineAdapter(HTTPAdapter):
    """The transport of a `requests.Session` whose exchanges obey `time_limit`."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        is_secure = pool.scheme == "https"
        pool.ConnectionCls = _WatchedSecureConnection if is_secure else _WatchedConnection
        return pool

"""Requests in flight: a few threads call the endpoint while the caller reads and stores rows."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True)
class Exchange(Generic[RequestT, ResponseT]):
    """A request with its response or its error; `sent_at` is by the monotonic clock."""

    request: RequestT
    sent_at: float
    seconds: float
    response: ResponseT | None
    error: Exception | None


class Sender(Generic[RequestT, ResponseT]):
    """Sends requests in its own threads; responses arrive in any order.

    The threads are daemon threads. An executor's threads would keep a process that must stop at
    once alive until the last response. They end after `close()`.
    """

    def __init__(self, send: Callable[[RequestT], ResponseT], threads: int) -> None:
        self._call = send
        self._requests: queue.SimpleQueue[RequestT | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Exchange[RequestT, ResponseT]] = queue.SimpleQueue()
        self.in_flight = 0
        self._threads = threads
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def send(self, request: RequestT) -> None:
        self.in_flight += 1
        self._requests.put(request)

    def receive(self, timeout: float | None) -> Exchange[RequestT, ResponseT] | None:
        """Return the next finished exchange, or None after `timeout` seconds."""
        try:
            exchange = self._done.get(timeout=timeout)
        except queue.Empty:
            return None
        self.in_flight -= 1
        return exchange

    def close(self) -> None:
        """Let each thread end after its current request, without waiting for it."""
        for _ in range(self._threads):
            self._requests.put(None)

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            response, error, started = None, None, time.monotonic()
            try:
                response = self._call(request)
            except Exception as raised:  # the caller raises it
                error = raised
            seconds = time.monotonic() - started
            self._done.put(Exchange(request, started, seconds, response, error))

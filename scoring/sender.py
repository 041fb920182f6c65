"""Requests in flight: a few threads that ask, while the caller reads and stores."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Sent(Generic[Job, Answer]):
    """A job that was sent, with its answer or what went wrong; times by the monotonic clock."""

    job: Job
    sent_at: float
    seconds: float
    answer: Answer | None
    error: Exception | None


class Sender(Generic[Job, Answer]):
    """Asks for jobs in threads of its own; answers come as they arrive.

    The threads are daemons, not an executor's, which would keep a process that is to stop at once
    until the last request is answered. They end after `close`.
    """

    def __init__(self, ask: Callable[[Job], Answer], threads: int) -> None:
        self._ask = ask
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Sent[Job, Answer]] = queue.SimpleQueue()
        self.in_flight = 0
        self._threads = threads
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def send(self, job: Job) -> None:
        self.in_flight += 1
        self._jobs.put(job)

    def receive(self, timeout: float | None) -> Sent[Job, Answer] | None:
        """The next answer, or None if there is none within so many seconds."""
        try:
            sent = self._done.get(timeout=timeout)
        except queue.Empty:
            return None
        self.in_flight -= 1
        return sent

    def close(self) -> None:
        """Let the threads end, once they have their answers; nobody waits for them."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            answer, error, started = None, None, time.monotonic()
            try:
                answer = self._ask(job)
            except Exception as raised:  # for the caller to raise
                error = raised
            self._done.put(Sent(job, started, time.monotonic() - started, answer, error))

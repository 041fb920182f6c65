"""Stop a script on SIGINT and SIGTERM: at once, or after the work in progress."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn


def raise_on_stop_signals() -> None:
    """Make SIGINT and SIGTERM raise an exception, so that every `finally` still runs."""

    def stop(number: int, _frame: object) -> NoReturn:
        threading.excepthook = lambda _args: None  # hide errors of threads that are cut off
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # SIGINT is not ignored
        signal.signal(signal.SIGINT, stop)


@dataclass
class StopRequest:
    """Whether a signal has requested the script to stop, and which one."""

    requested: threading.Event = field(default_factory=threading.Event)
    signal_number: int = 0

    @property
    def exit_code(self) -> int:
        """The exit code of a script that was requested to stop; otherwise 0."""
        return 128 + self.signal_number if self.requested.is_set() else 0


@contextmanager
def stop_gracefully() -> Iterator[StopRequest]:
    """Let the body finish its work on the first SIGINT or SIGTERM; the second one stops it."""
    stop = StopRequest()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def request(number: int, _frame: object) -> None:
        restore()
        stop.signal_number = number
        stop.requested.set()
        # print() is not reentrant, and the signal may have interrupted one
        os.write(2, b"\nFinishing the work in progress. Interrupt again to stop at once.\n")

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:  # a shell lets its background jobs ignore SIGINT
            signal.signal(number, request)
    try:
        yield stop
    finally:
        restore()

"""Adjust the batch size, the number of requests in flight, and the waits to how requests fare.

Failures reduce them, and successes restore them. The wait doubles with each failure in a row, with
full jitter, so that clients do not all return at the same moment:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import random
import time
from dataclasses import dataclass

from scoring.errors import Faulty, TimedOut, TransientError, Unavailable, WrongVersion

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds
MAX_FAULTS = 3  # give up after this many invalid responses in a row


@dataclass(frozen=True)
class ScoringLimits:
    """The limits of one scoring run; waits are in seconds; `max_rows=0` is no limit."""

    batch_size: int = 10_000
    in_flight: int = 3
    max_wait: float = 120.0
    wait_for_version: float = 0.0
    max_rows: int = 0
    max_rejected: int = 0  # rows, in this run and all earlier runs of the version


class Backoff:
    """The current batch size, requests in flight and pause, updated after each response."""

    def __init__(self, limits: ScoringLimits) -> None:
        self._limits = limits
        self._max_batch_size = limits.batch_size
        self.batch_size, self.in_flight = limits.batch_size, limits.in_flight
        self._failures = self._faults = 0  # in a row: of any kind, and of `Faulty`
        self._failed_at = self._resume_at = 0.0
        # when the current failures began; separately for WrongVersion (True) and all others
        self._first_failure: dict[bool, float] = {}

    @property
    def is_troubled(self) -> bool:
        return self._failures > 0

    @property
    def pause(self) -> float:
        """Seconds to wait until the next request may be sent."""
        return max(0.0, self._resume_at - time.monotonic())

    def record_success(self, sent_at: float) -> None:
        """Grow back step by step after a response; `sent_at` is by the monotonic clock."""
        if self._failures and sent_at < self._failed_at:  # sent before the failure: outdated news
            return
        self._failures = self._faults = 0
        self._first_failure.clear()
        self.in_flight = min(self._limits.in_flight, self.in_flight + 1)
        step = max(1, self._limits.batch_size // 10)
        self.batch_size = min(self._max_batch_size, self.batch_size + step)

    def record_too_large(self, rows: int) -> None:
        """Never again send a request with this many rows."""
        self._max_batch_size = max(1, min(self._max_batch_size, rows // 2))
        self.batch_size = min(self.batch_size, self._max_batch_size)

    def record_failure(self, error: TransientError, sent_at: float) -> None:
        """Pause and send less after a failure.

        Raises:
            TransientError: `error` itself, if the longest wait is over.
        """
        now = time.monotonic()
        is_same_trouble = self._failures > 0 and sent_at < self._failed_at
        self._failed_at = now
        if not is_same_trouble:
            self._failures += 1
            self._faults = self._faults + 1 if isinstance(error, Faulty) else 0
            self._slow_down(error)
        time_left = self._time_left(error, now)
        delay = self._delay(error, now - sent_at, is_same_trouble)
        wait = max(min(delay, time_left), error.retry_after)
        if self._faults >= MAX_FAULTS or time_left <= 0 or wait > time_left:
            raise error
        self._resume_at = max(self._resume_at, now + wait)

    def _time_left(self, error: TransientError, now: float) -> float:
        """Seconds until failures of this kind end the run."""
        is_wrong_version = isinstance(error, WrongVersion)
        max_wait = self._limits.wait_for_version if is_wrong_version else self._limits.max_wait
        return self._first_failure.setdefault(is_wrong_version, now) + max_wait - now

    def _delay(self, error: TransientError, request_seconds: float, is_same_trouble: bool) -> float:
        if is_same_trouble and not isinstance(error, TimedOut):
            return 0.0
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failures - 1))
        # after a timeout the server may still be working: allow it a tenth of that time more
        shortest = max(longest / 2, request_seconds / 10) if isinstance(error, TimedOut) else 0.0
        return random.uniform(shortest, max(longest, shortest))  # noqa: S311  (not a secret)

    def _slow_down(self, error: TransientError) -> None:
        if isinstance(error, TimedOut):
            self.batch_size = max(1, self.batch_size // 2)
            self.in_flight = max(1, self.in_flight // 2)
        if isinstance(error, Unavailable):
            self.in_flight = 1

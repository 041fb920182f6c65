"""How fast to ask: the rows a request, the requests in flight, and when to try again.

Trouble slows it down, answers speed it up again. Waits double with each failure in a row, with full
jitter, so that many clients do not come back all at once:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import random
import time
from dataclasses import dataclass

from scoring.errors import Faulty, TimedOut, TransientError, Unavailable, WrongVersion

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds
FAULTS_IN_A_ROW = 3  # an endpoint that answers nonsense as often will not stop to


@dataclass(frozen=True)
class ScoringLimits:
    """The most to ask for, and the longest to wait for better, in seconds."""

    batch_size: int = 10_000
    in_flight: int = 3
    max_wait: float = 120.0
    wait_for_version: float = 0.0


class Backoff:
    """Told of every answer and failure, it says how to go on."""

    def __init__(self, limits: ScoringLimits) -> None:
        self._limits = limits
        self._most = limits.batch_size
        self.batch_size, self.in_flight = limits.batch_size, limits.in_flight
        self._failures = self._faults = 0  # in a row, of any kind and of `Faulty`
        self._failed_at = self._resume_at = 0.0
        self._since: dict[bool, float] = {}  # first of the row: of another version, of the others

    @property
    def troubled(self) -> bool:
        return self._failures > 0

    @property
    def pause(self) -> float:
        """Seconds to wait until the next request may be sent."""
        return max(0.0, self._resume_at - time.monotonic())

    def answered(self, sent_at: float) -> None:
        """A request, sent at that time of the monotonic clock, was answered: grow back by steps."""
        if self._failures and sent_at < self._failed_at:  # it tells nothing of how things are now
            return
        self._failures = self._faults = 0
        self._since.clear()
        self.in_flight = min(self._limits.in_flight, self.in_flight + 1)
        self.batch_size = min(self._most, self.batch_size + max(1, self._limits.batch_size // 10))

    def too_large(self, rows: int) -> None:
        """A request of so many rows will never be taken."""
        self._most = max(1, min(self._most, rows // 2))
        self.batch_size = min(self.batch_size, self._most)

    def failed(self, error: TransientError, sent_at: float) -> None:
        """A request failed: pause, and ask for less.

        Raises:
            Passing: the error itself, once there was no answer for as long as we are to wait.
        """
        now = time.monotonic()
        same_trouble = self._failures > 0 and sent_at < self._failed_at
        self._failed_at = now
        if not same_trouble:
            self._failures += 1
            self._faults = self._faults + 1 if isinstance(error, Faulty) else 0
            self._slow_down(error)
        left = self._left(error, now)
        backoff = self._backoff(error, now - sent_at, same_trouble)
        wait = max(min(backoff, left), error.retry_after)
        if self._faults >= FAULTS_IN_A_ROW or left <= 0 or wait > left:
            raise error
        self._resume_at = max(self._resume_at, now + wait)

    def _left(self, error: TransientError, now: float) -> float:
        """How long we may still wait for this kind of trouble to end."""
        other_version = isinstance(error, WrongVersion)
        patience = self._limits.wait_for_version if other_version else self._limits.max_wait
        return self._since.setdefault(other_version, now) + patience - now

    def _backoff(self, error: TransientError, taken: float, same_trouble: bool) -> float:
        if same_trouble and not isinstance(error, TimedOut):
            return 0.0
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failures - 1))
        # a server that is still at work on what timed out is given a tenth more of the time it had
        shortest = max(longest / 2, taken / 10) if isinstance(error, TimedOut) else 0.0
        return random.uniform(shortest, max(longest, shortest))  # noqa: S311  (nothing secret)

    def _slow_down(self, error: TransientError) -> None:
        if isinstance(error, TimedOut):
            self.batch_size = max(1, self.batch_size // 2)
            self.in_flight = max(1, self.in_flight // 2)
        if isinstance(error, Unavailable):
            self.in_flight = 1

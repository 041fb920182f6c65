"""Wait for a condition, with a deadline."""

import threading
import time
from collections.abc import Callable
from typing import Any

DEADLINE_SECONDS = 180
SECONDS_BETWEEN_CHECKS = 0.02


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return the condition's value as soon as it is true, or fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        threading.Event().wait(SECONDS_BETWEEN_CHECKS)
    raise AssertionError(f"timed out after {DEADLINE_SECONDS} s, waiting for {what}")

"""How a run is watched and stopped from outside, and waits for its database meanwhile."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from cli.terminal import print_message
from db.engine import is_transient

DATABASE_PAUSE = 0.5  # seconds between tries while the database is locked or full
Found = TypeVar("Found")


@dataclass
class RunControl:
    """The progress, whether to stop, and how long to wait for the database, in seconds."""

    stop: threading.Event  # once set, what is in flight is finished and no more is sent
    max_wait: float
    advance: Callable[[int], None] = lambda _rows: None  # told of rows that are dealt with
    notify: Callable[[str], None] = print_message  # told of trouble, and of its end

    def retry_database(self, work: Callable[..., Found], *args: Any) -> Found:
        """Do work in the database, again while it is locked or full.

        Raises:
            DBAPIError: it is for too long, or something else is wrong.
        """
        deadline, said = time.monotonic() + self.max_wait, False
        while True:
            try:
                return work(*args)
            except DBAPIError as error:
                if not is_transient(error) or time.monotonic() > deadline:
                    raise
                if not said:
                    reason = " ".join(str(error.orig).split()).rstrip(".")
                    self.notify(f"The database cannot be used now ({reason}). Trying again ...")
                    said = True
                time.sleep(DATABASE_PAUSE)  # also when asked to stop: what came back is stored

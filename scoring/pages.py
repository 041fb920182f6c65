"""The pages of rows that one scoring run claims, while other runs may work on the same table."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db import claims, results
from db.results import Page
from db.runs import ScoringRun
from db.table_specs import ScoringSpec
from scoring.run import RunControl

WAITING = "Other clients have claimed the last rows: waiting for them ..."
POLL_SECONDS = 0.5  # between checks whether other runs have finished


class PageQueue:
    """Claims pages in the order of their keys, in as many passes as are needed."""

    def __init__(
        self,
        engine: Engine,
        scoring: ScoringSpec,
        run: ScoringRun,
        control: RunControl,
        max_rows: float,
    ) -> None:
        self._engine, self._scoring, self._run, self._control = engine, scoring, run, control
        self._rows_left = max_rows  # rows that this run may still claim
        self._to_resend: deque[Page] = deque()
        self._start_pass()

    def _start_pass(self) -> None:
        self._last_key: Any = None
        self._load_id: int | None = None
        self._needs_another_pass = self._is_at_end = False

    def next(self, max_rows: int) -> Page | None:
        """Return a page of at most `max_rows` rows, or None at the end of this pass."""
        if self._to_resend:
            return self._to_resend.popleft()
        if self._is_at_end or not self._rows_left:
            return None
        size = int(min(max_rows, self._rows_left))
        page = self._control.retry_database(
            results.claim_page, self._engine, self._scoring, self._run, self._last_key, size
        )
        has_new_load = self._load_id not in (None, page.last_load)
        self._needs_another_pass |= page.others_have_claims or has_new_load
        if not len(page):
            self._is_at_end = True
            return None
        self._last_key = page.columns[self._scoring.key.name][-1]
        self._load_id = page.last_load
        self._rows_left -= len(page)
        return page

    def resend(self, *pages: Page) -> None:
        """Return these pages from `next` before any other page."""
        self._to_resend.extendleft(reversed(pages))

    def release(self, page: Page) -> None:
        """Leave a page that could not be stored to a later pass: its rows or its claim changed."""
        self._needs_another_pass = True
        self._rows_left += len(page)

    @property
    def has_pages_to_resend(self) -> bool:
        return bool(self._to_resend)

    def start_another_pass(self) -> bool:
        """Start again from the first key if rows may be left; first wait for the other runs.

        A load may have added rows with smaller keys, and other runs may not finish their claims.
        """
        if not self._rows_left:
            return False
        if self._count_unfinished():
            self._needs_another_pass = True
            if self._count_unfinished():
                self._control.notify(WAITING)
            while self._count_unfinished() and not self._control.stop.wait(POLL_SECONDS):
                pass
        if not self._needs_another_pass or self._control.stop.is_set():
            return False
        self._start_pass()
        return True

    def _count_unfinished(self) -> int:
        return self._control.retry_database(claims.count_unfinished, self._engine, self._run)


@contextmanager
def keep_lease(engine: Engine, run: ScoringRun) -> Iterator[None]:
    """Renew the run's lease in a thread during the body, so that it keeps its claims."""
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(claims.LEASE_SECONDS / 4):
            try:
                claims.renew_lease(engine, run)
            except DBAPIError:  # locked or unreachable: the next renewal is soon enough
                continue

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()

"""The pages of a table that one scoring run takes, while others may work on the same table."""

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
from scoring.watch import RunControl

SECONDS_BETWEEN_LOOKS = 0.5  # at whether others are done


class Pages:
    """Claims pages in the order of their keys, in as many passes as it takes."""

    def __init__(
        self,
        engine: Engine,
        scoring: ScoringSpec,
        run: ScoringRun,
        watch: RunControl,
        most_rows: float,
    ) -> None:
        self._engine, self._scoring, self._run, self._watch = engine, scoring, run, watch
        self._room = most_rows  # rows that may still be taken
        self._again: deque[Page] = deque()  # taken, and to be sent again
        self._start_pass()

    def _start_pass(self) -> None:
        self._after: Any = None
        self._load: int | None = None
        self._incomplete = self._at_end = False  # may rows be left behind us

    def next(self, most: int) -> Page | None:
        """A page of at most so many rows, or None where this pass has none left."""
        if self._again:
            return self._again.popleft()
        if self._at_end or not self._room:
            return None
        page = self._watch.retry_database(
            results.claim_page,
            self._engine,
            self._scoring,
            self._run,
            self._after,
            int(min(most, self._room)),
        )
        self._incomplete |= page.others_have_claims or self._load not in (None, page.last_load)
        if not len(page):
            self._at_end = True
            return None
        self._after, self._load = page.columns[self._scoring.key.name][-1], page.last_load
        self._room -= len(page)
        return page

    def once_more(self, *pages: Page) -> None:
        """Give these out again, before any other."""
        self._again.extendleft(reversed(pages))

    def overtook(self, page: Page) -> None:
        """A load came between, or others took the page over: a later pass reads what is left."""
        self._incomplete = True
        self._room += len(page)

    @property
    def to_repeat(self) -> bool:
        """Are there pages to be sent again."""
        return bool(self._again)

    def another_pass(self) -> bool:
        """Begin again from the first key, if there may be rows; first wait for what others have.

        What a load added may lie behind us, and what others claimed they may not have finished.
        """
        if not self._room:
            return False
        if self._unfinished():
            self._incomplete = True
            if self._unfinished():
                self._watch.notify("Other clients have claimed the last rows: waiting for them ...")
            while self._unfinished() and not self._watch.stop.wait(SECONDS_BETWEEN_LOOKS):
                pass
        if not self._incomplete or self._watch.stop.is_set():
            return False
        self._start_pass()
        return True

    def _unfinished(self) -> int:
        return self._watch.retry_database(claims.count_unfinished, self._engine, self._run)


@contextmanager
def at_work(engine: Engine, run: ScoringRun) -> Iterator[None]:
    """While the body is at work, say so again and again, so that nobody takes its claims over."""
    over = threading.Event()

    def say_so() -> None:
        while not over.wait(claims.LEASE_SECONDS / 4):
            try:
                claims.renew_lease(engine, run)
            except DBAPIError:  # locked or away: there will be another time
                continue

    thread = threading.Thread(target=say_so, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

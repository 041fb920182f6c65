"""Score every row of a table that a version has not scored, each exactly once.

Pages of rows go to the endpoint, a few at a time, while this thread reads the next and stores what
came back, a page in one transaction. Killed at any point, the next run finds what is missing;
several runs at once share the pages.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Engine

from cli import UserError
from db import results
from db.results import Page
from db.runs import ScoringRun
from db.tables import database_id
from problems import Problem
from problems.split import trained_on_mask
from scoring.backoff import Backoff, ScoringLimits
from scoring.closing import TooManyRejected
from scoring.errors import EndpointError, RowsRefused, TimedOut, TooLarge, TransientError
from scoring.pages import Pages, at_work
from scoring.sender import Sender, Sent
from scoring.tally import RunStatistics
from scoring.verified_endpoint import VerifiedEndpoint
from scoring.watch import RunControl

Found = TypeVar("Found")


@dataclass(frozen=True)
class RowLimits:
    """Of one run: the most rows to score (0: all of them), and to have rejected by the version."""

    rows: int
    rejected: int


class Scorer:
    """One scoring run; `run` does it."""

    def __init__(
        self,
        engine: Engine,
        problem: Problem,
        endpoint: VerifiedEndpoint,
        run: ScoringRun,
        limits: ScoringLimits,
        bounds: RowLimits,
        watch: RunControl,
    ) -> None:
        self.tally = RunStatistics()
        self._engine, self._problem, self._endpoint = engine, problem, endpoint
        self._scoring, self._run, self._watch = problem.scoring, run, watch
        self._pace, self._bounds = Backoff(limits), bounds
        self._pages = Pages(engine, problem.scoring, run, watch, bounds.rows or math.inf)
        self._sender: Sender[Page, np.ndarray] = Sender(self._ask, limits.in_flight)
        self._error: UserError | None = None

    def run(self) -> None:
        """Pass over the pending rows until none is left, with us or with others.

        Raises:
            EndpointError: the endpoint failed for good.
            TooManyRejected: the version rejects more rows than it may.
                What came back before either stays stored.
        """
        with self._engine.connect() as connection:
            here = database_id(connection)
        self._trained_to = self._endpoint.version.trained_on.last_load_in(here)
        with at_work(self._engine, self._run), closing(self._sender):
            self._pass()
            while not self._closing and self._pages.another_pass():
                self._pass()
        if self._error:
            raise self._error

    def _pass(self) -> None:
        """Go once over what is pending, in the order of keys."""
        while True:
            while not self._closing and not self._pace.pause and self._may_send():
                page = self._pages.next(self._pace.batch_size)
                if page is None:
                    break
                self._sender.send(page)
            if self._sender.in_flight:
                self._take(self._sender.receive(self._pace.pause or None))
            elif self._closing or not self._pages.to_repeat:
                return
            else:
                self._watch.stop.wait(self._pace.pause)

    @property
    def _closing(self) -> bool:
        return self._error is not None or self._watch.stop.is_set()

    def _may_send(self) -> bool:
        return self._sender.in_flight < self._pace.in_flight

    def _ask(self, page: Page) -> np.ndarray:
        return self._endpoint.predict(page.columns)  # in a thread of the sender

    def _take(self, sent: Sent[Page, np.ndarray] | None) -> None:
        """Deal with what came back, and keep the first error that ends the run."""
        if sent is None:
            return
        try:
            self._settle(sent)
        except (EndpointError, TooManyRejected) as error:
            self._error = self._error or error

    def _settle(self, sent: Sent[Page, np.ndarray]) -> None:
        page, error = sent.job, sent.error
        if error is None and sent.answer is not None:
            self._answered(sent)
            self._store(page, sent.answer)
            return
        self.tally.failures[type(error).__name__] += 1
        if isinstance(error, RowsRefused):
            self._answered(sent)
            self._refused(page, error)
        elif isinstance(error, TooLarge) and len(page) > 1:
            self._pace.too_large(len(page))
            self._pages.once_more(*page.halves())
        elif isinstance(error, TransientError):
            smaller = isinstance(error, TimedOut) and len(page) > 1
            self._pages.once_more(*(page.halves() if smaller else [page]))
            self._failed(error, sent.sent_at)
        elif error is not None:
            raise error

    def _answered(self, sent: Sent[Page, np.ndarray]) -> None:
        was_troubled = self._pace.troubled
        self._pace.answered(sent.sent_at)
        if sent.answer is not None:
            self.tally.latencies.append(sent.seconds)
        if was_troubled and not self._pace.troubled:
            self._watch.notify(f"{self._endpoint.endpoint.url} answers again.")

    def _failed(self, error: TransientError, sent_at: float) -> None:
        was_troubled = self._pace.troubled
        self._pace.failed(error, sent_at)
        if not was_troubled and not self._closing:
            self._watch.notify(f"{error} Trying again ...")

    def _refused(self, page: Page, refusal: RowsRefused) -> None:
        """Find the rows that no request can contain, and store them as rejected."""
        if self._closing:  # they stay pending
            return
        if len(page) > 1:
            self._pages.once_more(*page.halves())
            return
        asked_at = time.monotonic()
        try:
            self._endpoint.predict({})
        except RowsRefused as again:
            raise EndpointError(
                f"{self._endpoint.endpoint.url} refuses even the canary rows of "
                f"{self._run.model_id} ({again.reason}): the served model is at fault, no row was "
                "rejected for it; see its log."
            ) from refusal
        except TransientError as error:  # nobody knows now whose fault it was
            self._pages.once_more(page)
            self._failed(error, asked_at)
            return
        if self._patiently(results.store_rejected, self._scoring, self._run, page, refusal.reason):
            self._watch.advance(len(page))
            self.tally.rejected += 1
            self._stop_if_too_many()
        else:
            self._pages.overtook(page)

    def _stop_if_too_many(self) -> None:
        model_id = self._run.model_id
        if (
            self._patiently(results.count_rejected, self._scoring, model_id)
            <= self._bounds.rejected
        ):
            return
        raise TooManyRejected(
            model_id, self._patiently(results.rejection_reasons, self._scoring, model_id)
        )

    def _store(self, page: Page, answers: np.ndarray) -> None:
        words = self._endpoint.version.decide(answers, self._problem.outcome_labels)
        scored = results.ScoredPage(
            page, answers.tolist(), words.tolist(), self._trained_on(page.columns)
        )
        if self._patiently(results.store_scores, self._scoring, self._run, scored):
            self._watch.advance(len(page))
            self.tally.add_scores(answers)
        else:
            self._pages.overtook(page)

    def _trained_on(self, columns: Mapping[str, Any]) -> list[bool | None]:
        groups = columns[self._problem.group_name]
        return trained_on_mask(groups, columns["load_id"], self._trained_to)

    def _patiently(self, work: Callable[..., Found], *args: Any) -> Found:
        return self._watch.retry_database(work, self._engine, *args)

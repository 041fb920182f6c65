"""Score every pending row of a table exactly once.

A few pages of rows are in flight to the endpoint while this thread reads the next pages and stores
the responses, each page in one transaction. If the process is killed, the next run finds the rows
that are missing. Several runs can share the pages of one table.
"""

import math
import time
from collections.abc import Callable
from contextlib import closing
from typing import Concatenate, ParamSpec, TypeVar

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
from scoring.errors import EndpointError, RowsRefused, TimedOut, TooLarge, TransientError
from scoring.pages import PageQueue, keep_lease
from scoring.run import RunControl, RunStatistics, TooManyRejected
from scoring.sender import Exchange, Sender
from scoring.verified_endpoint import VerifiedEndpoint

P = ParamSpec("P")
T = TypeVar("T")


class Scorer:
    """Does the work of one scoring run in `run()`."""

    def __init__(
        self,
        engine: Engine,
        problem: Problem,
        endpoint: VerifiedEndpoint,
        run: ScoringRun,
        limits: ScoringLimits,
        control: RunControl,
    ) -> None:
        self.statistics = RunStatistics()
        self._engine, self._problem, self._endpoint = engine, problem, endpoint
        self._scoring, self._run, self._control = problem.scoring, run, control
        self._backoff, self._max_rejected = Backoff(limits), limits.max_rejected
        max_rows = limits.max_rows or math.inf
        self._pages = PageQueue(engine, problem.scoring, run, control, max_rows)
        self._sender: Sender[Page, np.ndarray] = Sender(
            lambda page: endpoint.predict(page.columns), limits.in_flight
        )
        self._error: UserError | None = None

    def run(self) -> None:
        """Pass over the pending rows until this run and all others have finished them.

        Raises:
            EndpointError: the endpoint failed, and retrying does not help.
            TooManyRejected: the version rejected more rows than allowed.
                Responses that arrived before either error stay stored.
        """
        with self._engine.connect() as connection:
            this_database = database_id(connection)
        self._last_load = self._endpoint.version.trained_on.last_load_in(this_database)
        with keep_lease(self._engine, self._run), closing(self._sender):
            self._pass()
            while not self._is_ending and self._pages.start_another_pass():
                self._pass()
        if self._error:
            raise self._error

    def _pass(self) -> None:
        """Go once over the pending rows in the order of their keys."""
        while True:
            while self._can_send() and (page := self._pages.next(self._backoff.batch_size)):
                self._sender.send(page)
            if self._sender.in_flight:
                self._receive()
            elif self._is_ending or not self._pages.has_pages_to_resend:
                return
            else:
                self._control.stop.wait(self._backoff.pause)

    @property
    def _is_ending(self) -> bool:
        return self._error is not None or self._control.stop.is_set()

    def _can_send(self) -> bool:
        has_room = self._sender.in_flight < self._backoff.in_flight
        return has_room and not self._is_ending and not self._backoff.pause

    def _receive(self) -> None:
        """Handle the next response, if one comes, and keep the first error that ends the run."""
        exchange = self._sender.receive(self._backoff.pause or None)
        if exchange is None:
            return
        try:
            self._handle(exchange)
        except (EndpointError, TooManyRejected) as error:
            self._error = self._error or error

    def _handle(self, exchange: Exchange[Page, np.ndarray]) -> None:
        page, error = exchange.request, exchange.error
        if error is None and exchange.response is not None:
            self._record_success(exchange)
            self._store(page, exchange.response)
            return
        self.statistics.failures[type(error).__name__] += 1
        if isinstance(error, RowsRefused):
            self._record_success(exchange)
            self._handle_refused_rows(page, error)
        elif isinstance(error, TooLarge) and len(page) > 1:
            self._backoff.record_too_large(len(page))
            self._pages.resend(*page.halves())
        elif isinstance(error, TransientError):
            is_halved = isinstance(error, TimedOut) and len(page) > 1
            self._pages.resend(*(page.halves() if is_halved else [page]))
            self._record_failure(error, exchange.sent_at)
        elif error is not None:
            raise error

    def _record_success(self, exchange: Exchange[Page, np.ndarray]) -> None:
        was_troubled = self._backoff.is_troubled
        self._backoff.record_success(exchange.sent_at)
        if exchange.response is not None:
            self.statistics.latencies.append(exchange.seconds)
        if was_troubled and not self._backoff.is_troubled:
            self._control.notify(f"{self._endpoint.endpoint.url} answers again.")

    def _record_failure(self, error: TransientError, sent_at: float) -> None:
        was_troubled = self._backoff.is_troubled
        self._backoff.record_failure(error, sent_at)
        if not was_troubled and not self._is_ending:
            self._control.notify(f"{error} Trying again ...")

    def _handle_refused_rows(self, page: Page, refusal: RowsRefused) -> None:
        """Halve the page until the refused rows stand alone, then store them as rejected."""
        if self._is_ending:  # the rows stay pending
            return
        if len(page) > 1:
            self._pages.resend(*page.halves())
            return
        sent_at = time.monotonic()
        try:
            self._endpoint.predict({})
        except RowsRefused as canary_refusal:
            raise EndpointError(
                f"{self._endpoint.endpoint.url} refuses even the canary rows of "
                f"{self._run.model_id} ({canary_refusal.reason}): the served model is at fault, so "
                "no row was rejected; see the server's log."
            ) from refusal
        except TransientError as error:  # the row may not be at fault
            self._pages.resend(page)
            self._record_failure(error, sent_at)
            return
        if self._query(results.store_rejected, self._scoring, self._run, page, refusal.reason):
            self._control.advance(len(page))
            self._stop_if_too_many_rejected()
        else:
            self._pages.release(page)

    def _stop_if_too_many_rejected(self) -> None:
        model_id = self._run.model_id
        if self._query(results.count_rejected, self._scoring, model_id) > self._max_rejected:
            reasons = self._query(results.rejection_reasons, self._scoring, model_id)
            raise TooManyRejected(model_id, reasons)

    def _store(self, page: Page, probabilities: np.ndarray) -> None:
        labels = self._endpoint.version.decide(probabilities, self._problem.outcome_labels)
        groups, loads = page.columns[self._problem.group_name], page.columns["load_id"]
        trained_on = trained_on_mask(groups, loads, self._last_load)
        scored = results.ScoredPage(page, probabilities.tolist(), labels.tolist(), trained_on)
        if self._query(results.store_scores, self._scoring, self._run, scored):
            self._control.advance(len(page))
            self.statistics.add_scores(probabilities)
        else:
            self._pages.release(page)

    def _query(
        self, work: Callable[Concatenate[Engine, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return self._control.retry_database(work, self._engine, *args, **kwargs)

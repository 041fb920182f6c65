"""Score every row of a table that a version has not scored, each exactly once.

A page of rows goes to the endpoint with the version's canary rows in front. Only if those come
back as logged are the page's scores stored, in one transaction. Killed at any point, the next run
finds what is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import Engine

from db import results
from db.results import Page
from db.tables import database_id
from problems import Problem
from problems.split import held_out
from registry.versions import Version
from serving.rest import Endpoint, EndpointError, RowsRefused, WrongVersion

ARROW_TYPES = {"number": pa.float64(), "text": pa.string()}


@dataclass
class Scorer:
    """One scoring run; `run` does it. `limit` is the most rows to score, 0 for all."""

    engine: Engine
    problem: Problem
    version: Version
    endpoint: Endpoint
    run_id: int
    batch_size: int
    limit: int
    advance: Callable[[int], None]
    done: int = 0

    def run(self) -> None:
        """Pass over the pending rows until a pass finds none: a load may add rows behind us.

        Raises:
            EndpointError: the endpoint failed; all that was stored before stays.
        """
        with self.engine.connect() as connection:
            here = database_id(connection) == self.version.trained_on.database_id
        self._trained_to = self.version.trained_on.last_load if here else -1
        while self._pass():
            pass

    def _pass(self) -> bool:
        after, found = None, False
        while page := self._next_page(after):
            found = True
            if self._settle(page):  # else a load came between: read the page again
                after = page.rows[-1][page.names.index(self.problem.scoring.key.name)]
                self.done += len(page)
                self.advance(len(page))
        return found

    def _next_page(self, after: object) -> Page | None:
        most = min(self.batch_size, self.limit - self.done) if self.limit else self.batch_size
        if most <= 0:
            return None
        page = results.pending_page(
            self.engine, self.problem.scoring, self.version.model_id, after, most
        )
        return page if len(page) else None

    def _settle(self, page: Page) -> bool:
        """Store a page's scores, and its rows that no request can contain as rejected."""
        try:
            answers = self._ask(page)
        except RowsRefused as refusal:
            self._blame_the_model_if_so(refusal)
            if len(page) == 1:
                return self._reject(page, refusal.reason)
            return all(self._settle(part) for part in page.halves())
        words = np.where(answers >= self.version.threshold, *reversed(self.problem.words))
        scored = results.Scored(page, answers.tolist(), self._trained_on(page))
        return results.store(
            self.engine,
            self.problem.scoring,
            self.version.model_id,
            self.run_id,
            words.tolist(),
            scored,
        )

    def _ask(self, page: Page | None) -> np.ndarray:
        """The probabilities for a page, once the canary rows in front of it are found right."""
        canary = self.version.canary
        answers = self.endpoint.predict(self._request(page))
        if not canary.answered_by(answers[: len(canary.rows)].tolist()):
            raise WrongVersion(
                f"{self.endpoint.url} does not answer as {self.version.model_id} does (its canary "
                f"rows came back wrong): serve {self.version.uri} there, or name the version that "
                "it serves with --model."
            )
        return answers[len(canary.rows) :]

    def _request(self, page: Page | None) -> pa.Table:
        columns = {}
        for position, feature in enumerate(self.problem.features):
            values = [row[position] for row in self.version.canary.rows]
            if page:
                values += page.column(feature.name)
            columns[feature.name] = pa.array(values, type=ARROW_TYPES[feature.kind])
        return pa.table(columns)

    def _blame_the_model_if_so(self, refusal: RowsRefused) -> None:
        """A 400 on rows that are known to be good says nothing of ours."""
        try:
            self._ask(None)
        except RowsRefused as again:
            raise EndpointError(
                f"{self.endpoint.url} refuses even the canary rows of {self.version.model_id} "
                f"({again.reason}): the served model is at fault, no row was rejected; see its log."
            ) from refusal

    def _reject(self, page: Page, reason: str) -> bool:
        return results.store_rejected(
            self.engine,
            self.problem.scoring,
            self.version.model_id,
            self.run_id,
            page,
            reason,
        )

    def _trained_on(self, page: Page) -> list[bool]:
        held = held_out(page.column(self.problem.group_name))
        return [
            load_id is not None and load_id <= self._trained_to and not out
            for load_id, out in zip(page.column("load_id"), held, strict=True)
        ]

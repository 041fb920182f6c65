"""Scoring clients divide the rows of one table, and claim the rows that a killed client leaves.

`make test` kills a client 4 times while another one scores; `make soak` kills it 50 times.
"""

import os
import random
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, text

from db.engine import database_url, open_database
from tests.support.databases import assert_scored_once_and_nothing_claimed, query
from tests.support.scripted_endpoint import (
    Request,
    Response,
    ScriptedEndpoint,
    forward,
    scripted_endpoint,
)
from tests.support.scripts import ScriptProcess, start_script
from tests.support.trained import TrainedStore
from tests.support.waiting import wait_for

KILLS = int(os.environ.get("SOAK_SHARING_KILLS", "4"))
BATCH = max(1, 40 // KILLS)  # small, so that each client stores rows before it is killed


def start_client(
    database: str, endpoint: ScriptedEndpoint, trained: TrainedStore, folder: Path
) -> AbstractContextManager[ScriptProcess]:
    flags = ("--database", database, "--endpoint", endpoint.url, "--batch-size", BATCH)
    return start_script(
        "score_client.py", *flags, cwd=folder, MLFLOW_TRACKING_URI=trained.tracking_uri
    )


def outcomes(database: str) -> list[tuple[str, int]]:
    """Return the outcome of each scoring run, and the number of rows it stored."""
    return query(database, "SELECT outcome, stored FROM scoring_runs ORDER BY id")


def test_two_clients_divide_the_rows_and_send_none_twice(
    small_databases: str, trained: TrainedStore, champion: str, small_offers: int, tmp_path: Path
) -> None:
    version = trained.version()
    canaries = len(version.canary.rows)
    with scripted_endpoint() as one, scripted_endpoint() as other:

        def script(request: Request) -> Response:
            wait_for(lambda: one.requests and other.requests, "both clients to send")
            return forward(champion, request.body)

        one.script = other.script = script
        with (
            start_client(small_databases, one, trained, tmp_path) as first,
            start_client(small_databases, other, trained, tmp_path) as second,
        ):
            for client in (first, second):
                output, error = client.communicate()
                assert client.returncode == 0, error
                assert f"{small_offers:,}" in output
        sent_rows = [
            sum(request.rows.num_rows - canaries for request in server.requests)
            for server in (one, other)
        ]
    assert sum(sent_rows) == small_offers
    assert min(sent_rows) > 0
    assert sorted(outcomes(small_databases)) == sorted(("finished", rows) for rows in sent_rows)
    assert_scored_once_and_nothing_claimed(small_databases, version.model_id, small_offers)


class Gate:
    """Lets both clients work until `rows` rows are stored, and then only one of them."""

    def __init__(self, engine: Engine, champion: str) -> None:
        self.rows = 0
        self.only: int | None = None  # the client that can continue
        self._engine, self._champion = engine, champion

    def stored_rows(self) -> int:
        with self._engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM results_clicked")).scalar_one()

    def has_stored(self, rows: int) -> bool:
        return self.stored_rows() >= rows

    def is_open(self, client: int) -> bool:
        return self.only == client or not self.has_stored(self.rows)

    def answer(self, client: int, request: Request) -> Response:
        wait_for(lambda: self.is_open(client), "the gate to open")
        return forward(self._champion, request.body)


@dataclass(frozen=True)
class Client:
    """A client's process, and the number of its scoring run."""

    process: ScriptProcess
    run_id: int

    def has_stored(self, database: str) -> bool:
        query_rows = f"SELECT count(*) FROM results_clicked WHERE scoring_run_id = {self.run_id}"
        return query(database, query_rows) != [(0,)]


def run_at_work(database: str, process: ScriptProcess) -> int:
    """Return the number of the scoring run that a process has started, or 0."""
    assert process.poll() is None
    query_run = f"SELECT max(id) FROM scoring_runs WHERE pid = {process.pid}"
    ((run_id,),) = query(database, f"{query_run} AND outcome = 'running'")
    return run_id or 0


def test_clients_killed_at_random_leave_every_row_once(
    small_databases: str, trained: TrainedStore, champion: str, small_offers: int, tmp_path: Path
) -> None:
    chance = random.Random(int(os.environ.get("SOAK_SEED", "8")))
    goals = sorted(chance.sample(range(small_offers // 2), KILLS))
    with ExitStack() as stack:
        gate = Gate(stack.enter_context(open_database(database_url(small_databases))), champion)
        endpoints = [stack.enter_context(scripted_endpoint()) for _ in range(2)]

        def start_one(number: int) -> Client:
            endpoints[number].script = partial(gate.answer, number)
            client = start_client(small_databases, endpoints[number], trained, tmp_path)
            process = stack.enter_context(client)
            begun = partial(run_at_work, small_databases, process)
            return Client(process, wait_for(begun, "the client to begin its run"))

        clients = [start_one(0), start_one(1)]
        for goal in goals:
            gate.rows = goal + small_offers // 10  # so that neither client can finish first
            wait_for(partial(gate.has_stored, goal), f"{goal:,} rows to be stored")
            gate.only = number = chance.randrange(2)
            killed = clients[number]
            wait_for(partial(killed.has_stored, small_databases), "the client to store rows")
            killed.process.kill()
            killed.process.wait()  # or it would count as running
            gate.only = None
            clients[number] = start_one(number)
        assert gate.stored_rows() < small_offers
        gate.rows = small_offers + 1
        for client in clients:
            _, error = client.process.communicate()
            assert client.process.returncode == 0, error
    counts = Counter(outcome for outcome, _ in outcomes(small_databases))
    assert counts == {"running": KILLS, "finished": 2}
    assert_scored_once_and_nothing_claimed(small_databases, trained.champion_id, small_offers)

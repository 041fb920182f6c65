"""A real serve.py follows moved aliases without failing a request.

`make test` moves the alias 3 times, `make soak` 10 times during at least 10,000 requests. More
tests of a single worker are in tests/integration/test_model_versions.py.
"""

import http.client
import json
import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.support.databases import assert_every_offer_scored_once
from tests.support.project import MODEL
from tests.support.request_bodies import FRAME, JSON, ROWS, invoke, records_body
from tests.support.scripts import start_script
from tests.support.servers import ServePy, serve_py
from tests.support.trained import StoreCopy, TrainedStore
from tests.support.waiting import wait_for

SWAPS = int(os.environ.get("SOAK_SWAPS", "3"))
REQUESTS = int(os.environ.get("SOAK_SWAP_REQUESTS", "1000"))
CLIENTS = 16
WORKERS = 2
PLAIN, ENGINEERED = "1", "2"  # the versions that take turns; the second is the champion


@dataclass(frozen=True)
class Served:
    """A serve.py, and the store whose aliases it refreshes five times a second."""

    store: StoreCopy
    server: ServePy

    def move_champion(self, number: str) -> None:
        self.store.set_alias("champion", number)
        self.wait_until_all_serve(number)

    def wait_until_all_serve(self, number: str) -> None:
        self.server.wait_until_all_serve(f"{MODEL}/{number}", WORKERS)

    def log_lines(self, event: str, **fields: str) -> list[dict[str, Any]]:
        """The log lines of an event with these fields."""
        fields = {"event": event} | fields
        return [line for line in self.server.events if fields.items() <= line.items()]


@pytest.fixture(scope="module")
def server_and_store(
    trained: TrainedStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("swaps")
    store = trained.copy_store(folder / "mlflow.db")
    with serve_py(store.uri, folder, workers=WORKERS, refresh=0.2) as server:
        yield Served(store, server)


@pytest.fixture
def served(server_and_store: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The server, whose champion is version 2 before and after the test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_and_store.store.uri)
    yield server_and_store
    server_and_store.move_champion(ENGINEERED)


@dataclass
class Crowd:
    """Clients that send requests until `finished`, and the failures that they record."""

    url: str
    expected: dict[str, list[float]]  # probabilities of ROWS by version
    finished: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)
    responses: dict[str, int] = field(default_factory=dict)  # number by version
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total_responses(self) -> int:
        return sum(self.responses.values())

    def wait_for_responses(self, requests: int) -> None:
        wait_for(lambda: self.total_responses >= requests or self.failures, f"{requests} responses")

    def client(self, number: int) -> None:
        """Run a client, which keeps its connection if its number is even."""
        address = self.url.removeprefix("http://")
        connection, rng = http.client.HTTPConnection(address, timeout=60), random.Random(number)
        headers = {"Content-Type": JSON} | ({"Connection": "close"} if number % 2 else {})
        while not self.finished.is_set():
            row = rng.randrange(len(ROWS))
            try:
                connection.request("POST", "/invocations", records_body(ROWS[row]), headers)
                response = connection.getresponse()
                self._check(row, response, response.read())
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()

    def _check(self, row: int, response: http.client.HTTPResponse, content: bytes) -> None:
        if response.status != 200:
            self.failures.append(f"{response.status}: {content[:200]!r}")
            return
        version = response.headers["X-Model-Version"]
        probability = json.loads(content)["predictions"][0][1]
        if probability != pytest.approx(self.expected[version][row], rel=1e-9):
            self.failures.append(f"{version} returned {probability} for row {row}")
        with self.lock:
            self.responses[version] = self.responses.get(version, 0) + 1


def probabilities(number: str) -> list[float]:
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}/{number}")
    return [float(p) for p in model.predict(FRAME)[:, 1]]


def test_no_request_of_16_clients_fails_and_each_response_is_from_its_version(
    served: Served,
) -> None:
    mlflow.set_tracking_uri(served.store.uri)
    expected = {f"{MODEL}/{number}": probabilities(number) for number in (PLAIN, ENGINEERED)}
    assert not set(expected[f"{MODEL}/{PLAIN}"]) & set(expected[f"{MODEL}/{ENGINEERED}"])
    activations_before = len(served.log_lines("activated"))
    crowd = Crowd(served.server.url, expected)
    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(crowd.client, number) for number in range(CLIENTS)]
        try:
            for swap in range(1, SWAPS + 1):
                crowd.wait_for_responses(REQUESTS * swap // (SWAPS + 1))
                served.move_champion((ENGINEERED, PLAIN)[swap % 2])
            crowd.wait_for_responses(REQUESTS)
        finally:
            crowd.finished.set()
        for client in clients:
            client.result()
    assert crowd.failures == []
    assert crowd.total_responses >= REQUESTS
    assert set(crowd.responses) == set(expected)
    wait_for(
        lambda: len(served.log_lines("activated")) == activations_before + WORKERS * SWAPS,
        "a log line of each activation",
    )
    print(
        f"{SWAPS} swaps, {CLIENTS} clients: {crowd.total_responses:,} responses, {crowd.responses}"
    )


def test_a_rollback_takes_effect(served: Served) -> None:
    assert served.store.promote("--to", PLAIN) == 0
    served.wait_until_all_serve(PLAIN)
    assert served.store.promote("--rollback") == 0
    served.wait_until_all_serve(ENGINEERED)


def test_a_running_client_finishes_with_the_version_it_started_with(
    served: Served, small_database: str, small_offers: int, tmp_path: Path
) -> None:
    flags = ("--database", small_database, "--endpoint", served.server.url, "--batch-size", 8)
    requests_before = len(served.log_lines("request"))
    with start_script(
        "score_client.py", *flags, cwd=tmp_path, MLFLOW_TRACKING_URI=served.store.uri
    ) as client:
        wait_for(
            lambda: len(served.log_lines("request")) > requests_before,
            "the client's first page",
        )
        client.send_signal(signal.SIGSTOP)  # so that it cannot end before the swap
        served.move_champion(PLAIN)
        client.send_signal(signal.SIGCONT)
        _, errors = client.communicate()
        assert client.returncode == 0, errors
    assert_every_offer_scored_once(small_database, f"{MODEL}/{ENGINEERED}", small_offers)
    lines = served.server.events
    last_swap = max(at for at, line in enumerate(lines) if line["event"] == "activated")
    after_swap = [line["version"] for line in lines[last_swap + 1 :] if line["event"] == "request"]
    assert set(after_swap) == {f"{MODEL}/{ENGINEERED}"}


def test_a_version_that_fails_is_never_activated_and_the_old_one_stays_active(
    served: Served, tmp_path: Path
) -> None:
    number = served.store.register_broken_copy(PLAIN, tmp_path, loads=True)
    version = f"{MODEL}/{number}"
    served.store.set_alias("champion", number)
    wait_for(
        lambda: served.server.metric("scoring_version_refused_workers") == WORKERS,
        "all workers to refuse the version",
    )
    response = invoke(served.server.url, JSON, records_body(*ROWS))
    assert response.headers["X-Model-Version"] == f"{MODEL}/{ENGINEERED}"
    assert served.server.model()["refused"]["version"] == version
    refusals = wait_for(
        lambda: (lines := served.log_lines("refused", version=version))[WORKERS - 1 :] and lines,
        "the log lines of all workers",
    )
    assert len({line["worker"] for line in refusals}) == len(refusals) == WORKERS
    assert "fails its canary check" in refusals[0]["why"]
    assert {line["active"] for line in refusals} == {f"{MODEL}/{ENGINEERED}"}
    assert served.log_lines("activated", version=version) == []
    served.move_champion(PLAIN)
    assert served.server.model()["refused"] is None

"""A moved alias is taken up by a serve.py at work, and no request notices.

`make test` moves it 3 times, `make soak` 10 times under at least 10,000 requests.
"""

import http.client
import json
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests

from serving.local import free_port
from tests.asking import FRAME, JSON, ROWS, ask, records
from tests.helpers import (
    MODEL,
    Store,
    assert_every_offer_once,
    score,
    spoiled,
    started_script,
    stored,
    wait_for,
)
from tests.servers import Server, our_server, tracking_server

SWAPS = int(os.environ.get("SOAK_SWAPS", "3"))
REQUESTS = int(os.environ.get("SOAK_SWAP_REQUESTS", "1000"))
CLIENTS = 16
PLAIN, ENGINEERED = "1", "2"  # the versions that take turns


@dataclass
class Crowd:
    """Clients that ask until they are told to stop, and what they found wrong."""

    server: Server
    expected: dict[str, list[float]]  # of each version, for ROWS
    over: threading.Event = field(default_factory=threading.Event)
    wrong: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)  # answers by version
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answers(self) -> int:
        return sum(self.seen.values())

    def wait_until_answered(self, requests: int) -> None:
        wait_for(lambda: self.answers >= requests or self.wrong, f"{requests} answers")

    def client(self, number: int) -> None:
        """One that keeps its connection, if its number is even, or makes one a request."""
        address = self.server.url.removeprefix("http://")
        connection, chance = http.client.HTTPConnection(address, timeout=60), random.Random(number)
        while not self.over.is_set():
            at = chance.randrange(len(ROWS))
            headers = {"Content-Type": JSON}
            if number % 2:
                headers["Connection"] = "close"
            try:
                connection.request("POST", "/invocations", records(ROWS[at]), headers)
                answer = connection.getresponse()
                self._check(at, answer, answer.read())
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
                connection.close()
        connection.close()

    def _check(self, at: int, answer: http.client.HTTPResponse, content: bytes) -> None:
        if answer.status != 200:
            self.wrong.append(f"{answer.status}: {content[:200]!r}")
            return
        version = answer.headers["X-Model-Version"]
        found = json.loads(content)["predictions"][0][1]
        if found != pytest.approx(self.expected[version][at], rel=1e-9):
            self.wrong.append(f"{version} answered {found} for row {at}")
        with self.lock:
            self.seen[version] = self.seen.get(version, 0) + 1


def told(server: Server, event: str) -> list[dict[str, Any]]:
    """The lines of its log about such an event."""
    return [line for line in server.events if line["event"] == event]


def probabilities(store: Store, number: str) -> list[float]:
    mlflow.set_tracking_uri(store.uri)
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}/{number}")
    return [float(p) for p in model.predict(FRAME)[:, 1]]


def test_swaps_under_16_clients_fail_no_request_and_every_answer_is_its_version_s(
    store: Store, tmp_path: Path
) -> None:
    expected = {f"{MODEL}/{number}": probabilities(store, number) for number in (PLAIN, ENGINEERED)}
    assert not set(expected[f"{MODEL}/{PLAIN}"]) & set(expected[f"{MODEL}/{ENGINEERED}"])
    with our_server(store.uri, tmp_path) as server, ThreadPoolExecutor(CLIENTS) as threads:
        crowd = Crowd(server, expected)
        clients = [threads.submit(crowd.client, number) for number in range(CLIENTS)]
        try:
            for swap in range(1, SWAPS + 1):
                enough = REQUESTS * swap // (SWAPS + 1)
                crowd.wait_until_answered(enough)
                number = (ENGINEERED, PLAIN)[swap % 2]
                store.point("champion", number)
                server.wait_until_all_serve(f"{MODEL}/{number}")
            crowd.wait_until_answered(REQUESTS)
        finally:
            crowd.over.set()
        for client in clients:
            client.result()
        wait_for(lambda: len(told(server, "takes over")) == 2 * (SWAPS + 1), "all take-overs")
    assert crowd.wrong == []
    assert crowd.answers >= REQUESTS
    assert set(crowd.seen) == set(expected)
    print(f"{SWAPS} swaps under {CLIENTS} clients: {crowd.answers:,} answers, {crowd.seen}")


def test_a_client_at_work_finishes_by_the_version_it_began_with(
    store: Store, loaded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    with our_server(store.uri, tmp_path) as server:
        flags = ("--database", loaded, "--endpoint", server.url, "--batch-size", 50)
        with started_script(
            "score_client.py", *flags, cwd=tmp_path, MLFLOW_TRACKING_URI=store.uri
        ) as client:
            wait_for(lambda: stored(loaded) > 500, "the client to be at work")
            store.point("champion", PLAIN)
            server.wait_until_all_serve(f"{MODEL}/{PLAIN}")
            at_swap = stored(loaded)
            _, errors = client.communicate()
            assert client.returncode == 0, errors
        assert at_swap < stored(loaded)
        assert_every_offer_once(loaded, f"{MODEL}/{ENGINEERED}")
        assert score(loaded, server.url, "--limit", 100) == 0  # by the new champion


def test_what_was_just_promoted_is_served_to_the_first_who_asks(
    store: Store, loaded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    with our_server(store.uri, tmp_path, "--refresh", 3600) as server:
        store.point("champion", PLAIN)
        assert score(loaded, server.url, "--limit", 100) == 0


@pytest.mark.parametrize("loads", [True, False])
def test_a_version_that_fails_never_serves_and_the_old_one_goes_on(
    store: Store, tmp_path: Path, *, loads: bool
) -> None:
    number = spoiled(store, PLAIN, tmp_path, loads=loads)
    with our_server(store.uri, tmp_path) as server:
        store.point("champion", number)
        wait_for(lambda: server.metric("scoring_version_refused_workers") == 2, "refusals")
        answer = ask(server.url, JSON, records(*ROWS))
        assert answer.headers["X-Model-Version"] == f"{MODEL}/{ENGINEERED}"
        refused = server.model()["refused"]
        assert refused["version"] == f"{MODEL}/{number}"
        why = "does not answer its canary rows" if loads else "cannot be loaded"
        assert why in refused["why"]
        wait_for(lambda: len(told(server, "refused")) == 2, "both workers' lines")
        goes_on = {line["goes_on"] for line in told(server, "refused")}
        assert goes_on == {f"{MODEL}/{ENGINEERED}"}

        store.point("champion", PLAIN)
        server.wait_until_all_serve(f"{MODEL}/{PLAIN}")
        assert server.model()["refused"] is None
        store.point("champion", ENGINEERED)  # back again, from memory
        server.wait_until_all_serve(f"{MODEL}/{ENGINEERED}")


def test_a_rollback_by_promote_is_taken_up(store: Store, tmp_path: Path) -> None:
    with our_server(store.uri, tmp_path) as server:
        assert store.promote("--to", PLAIN) == 0
        server.wait_until_all_serve(f"{MODEL}/{PLAIN}")
        assert store.promote("--rollback") == 0
        server.wait_until_all_serve(f"{MODEL}/{ENGINEERED}")


def test_a_tracking_server_that_is_gone_stops_nothing(store: Store, tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as both:
        with tracking_server(store.uri, tmp_path, port) as tracking:
            server = both.enter_context(our_server(tracking, tmp_path))
            assert server.model()["refused"] is None
        wait_for(lambda: server.model()["refused"], "the registry to be missed")
        answer = ask(server.url, JSON, records(ROWS[0]))
        assert answer.headers["X-Model-Version"] == f"{MODEL}/{ENGINEERED}"
        assert requests.get(f"{server.url}/ready", timeout=60).status_code == 200
        store.point("champion", PLAIN)
        with tracking_server(store.uri, tmp_path, port):
            server.wait_until_all_serve(f"{MODEL}/{PLAIN}")

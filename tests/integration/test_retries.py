"""How the scoring client retries when an endpoint fails, and when it gives up."""

import threading
from itertools import pairwise
from pathlib import Path

import pytest

from scoring import backoff
from scoring.local_server import free_port
from tests.support.databases import assert_every_offer_scored_once, count_scored, query
from tests.support.scoring import score
from tests.support.scripted_endpoint import (
    Request,
    Response,
    ScriptedEndpoint,
    forward,
    refuse,
    scripted_endpoint,
)
from tests.support.scripts import start_script
from tests.support.trained import TrainedStore
from tests.support.waiting import DEADLINE_SECONDS, wait_for

CANARIES = 10  # maximum number of canary rows in a small request
FIRST_WAIT = 0.1


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", FIRST_WAIT)


def rows_sent(endpoint: ScriptedEndpoint) -> list[int]:
    return [request.rows.num_rows for request in endpoint.requests]


def gaps(endpoint: ScriptedEndpoint) -> list[float]:
    """Seconds between one request and the next."""
    times = [request.arrived for request in endpoint.requests]
    return [after - before for before, after in pairwise(times)]


def test_the_client_waits_for_a_server_that_has_not_started(
    small_database: str, trained: TrainedStore, champion: str, small_offers: int, tmp_path: Path
) -> None:
    port = free_port()
    flags = ("--database", small_database, "--endpoint", f"http://127.0.0.1:{port}")
    with start_script(
        "score_client.py", *flags, cwd=tmp_path, MLFLOW_TRACKING_URI=trained.tracking_uri
    ) as client:
        assert "no connection" in client.stderr.readline()
        with scripted_endpoint(port) as late:
            late.script = lambda request: forward(champion, request.body)
            _, error = client.communicate()
        assert "answers again" in error
        assert client.returncode == 0
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)


@pytest.mark.parametrize("status", [0, 429, 502, 503])
def test_reset_429_502_and_503_are_retried_with_one_request_in_flight(
    status: int,
    small_database: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
) -> None:
    def down_for_a_while(request: Request) -> Response | None:
        if request.number == 1:
            wait_for(lambda: endpoint.in_flight > 1, "a second request beside the first")
        if 4 <= request.number <= 8:
            return refuse(status) if status else None
        return forward(champion, request.body)

    endpoint.script = down_for_a_while
    assert score(small_database, endpoint.url, "--batch-size", 150, "--in-flight", 4) == 0
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)
    failing, after = endpoint.requests[3:8], endpoint.requests[8]
    assert max(request.in_flight for request in endpoint.requests[:4]) > 1
    assert [request.in_flight for request in (*failing, after)][-2:] == [1, 1]
    assert query(small_database, "SELECT outcome FROM scoring_runs") == [("finished",)]


def test_retry_after_is_not_cut_short_by_an_older_response(
    small_database: str,
    champion: str,
    endpoint: ScriptedEndpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def slow_then_busy(request: Request) -> Response:
        if request.number == 1:
            wait_for(lambda: "Trying again" in capfd.readouterr().err, "the client to be refused")
        if request.number == 2:
            return refuse(429, Retry_After="1")
        return forward(champion, request.body)

    endpoint.script = slow_then_busy
    assert score(small_database, endpoint.url, "--in-flight", 2, "--batch-size", 300) == 0
    assert gaps(endpoint)[1] >= 1


def test_the_client_gives_up_after_max_wait(
    small_database: str, endpoint: ScriptedEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.script = lambda _request: refuse(503)
    assert score(small_database, endpoint.url, "--max-wait", 1, "--in-flight", 1) == 4
    assert len(endpoint.requests) > 2
    assert capfd.readouterr().err.count("Trying again") == 1
    endpoint.requests.clear()
    endpoint.script = lambda _request: refuse(503, Retry_After="3600")
    assert score(small_database, endpoint.url, "--in-flight", 1) == 4
    assert len(endpoint.requests) == 1
    assert count_scored(small_database) == 0


@pytest.mark.parametrize("fault", ["timeout", "504"])
def test_after_a_timeout_the_client_waits_and_sends_smaller_batches(
    fault: str,
    small_database: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
) -> None:
    over = threading.Event()

    def slow_at_first(request: Request) -> Response:
        if request.number <= 2:
            if fault == "504":
                return refuse(504)
            over.wait(DEADLINE_SECONDS)
        return forward(champion, request.body)

    endpoint.script = slow_at_first
    timeout = 1 if fault == "timeout" else DEADLINE_SECONDS
    flags = ("--batch-size", 120, "--in-flight", 2, "--timeout", timeout)
    assert score(small_database, endpoint.url, *flags) == 0
    over.set()
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)
    rows = rows_sent(endpoint)
    assert rows[0] > 120 > 60 + CANARIES >= rows[2]
    assert endpoint.requests[2].in_flight <= 1 + 2 * (fault == "timeout")
    assert endpoint.requests[2].arrived - endpoint.requests[0].arrived >= FIRST_WAIT / 2
    if fault == "504":  # with real timeouts a slow machine may time out again
        assert max(rows[5:]) > 120  # grown back


def test_a_response_that_trickles_is_a_timeout(
    small_database: str, endpoint: ScriptedEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.script = lambda _request: Response(
        200, "application/json", b" " * 2000, {"Content-Length": "9000"}, trickle_seconds=60
    )
    flags = ("--timeout", 0.3, "--max-wait", 0, "--in-flight", 1)
    assert score(small_database, endpoint.url, *flags) == 4
    assert "gave no answer within 0.3 seconds" in capfd.readouterr().err


def test_413_halves_the_batches_for_good(
    small_database: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
) -> None:
    def small_only(request: Request) -> Response:
        if request.rows.num_rows > 100:
            return refuse(413)
        return forward(champion, request.body)

    endpoint.script = small_only
    assert score(small_database, endpoint.url, "--batch-size", 300, "--in-flight", 1) == 0
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)
    assert [rows > 100 for rows in rows_sent(endpoint)].count(True) <= 4
    assert query(small_database, "SELECT outcome FROM scoring_runs") == [("finished",)]


def test_413_on_a_single_row_stops(
    small_database: str, endpoint: ScriptedEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.script = lambda _request: refuse(413)
    assert score(small_database, endpoint.url, "--batch-size", 4, "--in-flight", 1) == 4
    assert "answered 413" in capfd.readouterr().err
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 415])
def test_401_403_404_and_415_stop_with_one_error(
    status: int,
    small_database: str,
    endpoint: ScriptedEndpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:
    endpoint.script = lambda _request: refuse(status)
    assert score(small_database, endpoint.url, "--in-flight", 1) == 4
    error = capfd.readouterr().err
    assert f"answered {status}" in error
    assert error.count("\n") == 1
    assert len(endpoint.requests) == 1
    assert count_scored(small_database) == 0


def test_valid_responses_in_flight_are_stored_when_an_error_ends_the_run(
    small_database: str, champion: str, endpoint: ScriptedEndpoint
) -> None:
    refused = threading.Event()

    def one_is_refused(request: Request) -> Response:
        if request.number == 2:
            refused.set()
            return refuse(403)
        assert refused.wait(DEADLINE_SECONDS)
        return forward(champion, request.body)

    endpoint.script = one_is_refused
    assert score(small_database, endpoint.url, "--batch-size", 100, "--in-flight", 3) == 4
    assert count_scored(small_database) == 200
    assert len(endpoint.requests) == 3

"""What goes wrong between the client and an endpoint, and what the client does about each."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path

import pytest

from serving.local import free_port
from serving.pace import Limits, Pace
from serving.rest import Faulty, TimedOut, Unavailable, WrongVersion
from tests.helpers import (
    Trained,
    assert_every_offer_once,
    champion_id,
    query,
    score,
    started_script,
    stored,
    wait_for,
)
from tests.misbehaving import Answer, Misbehaving, Request, misbehaving_server, refuse, relay

CANARIES = 10  # rows in front of each request, at most


def rows_sent(misbehaving: Misbehaving) -> list[int]:
    return [request.rows.num_rows for request in misbehaving.requests]


def gaps(misbehaving: Misbehaving) -> list[float]:
    """Seconds between one request and the next."""
    times = [request.arrived for request in misbehaving.requests]
    return [after - before for before, after in pairwise(times)]


def test_refused_connection_waits_for_the_server_to_start(
    loaded: str, trained: Trained, champion: str, tmp_path: Path
) -> None:
    port = free_port()
    flags = ("--database", loaded, "--endpoint", f"http://127.0.0.1:{port}")
    with started_script(
        "score_client.py", *flags, cwd=tmp_path, MLFLOW_TRACKING_URI=trained.tracking_uri
    ) as client:
        assert client.stderr
        assert "no connection" in client.stderr.readline()
        with misbehaving_server(port) as late:
            late.script = lambda request: relay(champion, request.body)
            _, error = client.communicate()
        assert "answers again" in error
        assert client.returncode == 0
    assert_every_offer_once(loaded, champion_id(trained))


@pytest.mark.parametrize("status", [0, 429, 502, 503])
def test_reset_429_502_and_503_are_tried_again_with_fewer_in_flight(
    status: int, loaded: str, trained: Trained, champion: str, misbehaving: Misbehaving
) -> None:
    def down_for_a_while(request: Request) -> Answer | None:
        if request.number == 1:
            wait_for(lambda: misbehaving.under_way > 1, "a second request beside the first")
        if 4 <= request.number <= 8:
            return refuse(status) if status else None
        return relay(champion, request.body)

    misbehaving.script = down_for_a_while
    assert score(loaded, misbehaving.url, "--batch-size", 5000, "--in-flight", 4) == 0
    assert_every_offer_once(loaded, champion_id(trained))
    failing, after = misbehaving.requests[3:8], misbehaving.requests[8]
    assert max(request.under_way for request in misbehaving.requests[:4]) > 1
    assert [r.under_way for r in (*failing, after)][-2:] == [1, 1]
    assert query(loaded, "SELECT outcome FROM scoring_runs") == [("finished",)]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(
    form: str, loaded: str, champion: str, misbehaving: Misbehaving
) -> None:
    def busy_once(request: Request) -> Answer:
        if request.number == 1:
            until = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
            return refuse(503, Retry_After=until if form == "date" else "3")
        return relay(champion, request.body)

    misbehaving.script = busy_once
    assert score(loaded, misbehaving.url, "--in-flight", 1) == 0
    assert gaps(misbehaving)[0] >= 2.5  # a date has whole seconds


def test_a_wait_asked_for_is_not_cut_short_by_an_older_answer(
    loaded: str, champion: str, misbehaving: Misbehaving
) -> None:
    refused = threading.Event()

    def slow_then_busy(request: Request) -> Answer:
        if request.number == 1:
            assert refused.wait(60)
        if request.number == 2:
            refused.set()
            return refuse(429, Retry_After="3")
        return relay(champion, request.body)

    misbehaving.script = slow_then_busy
    assert score(loaded, misbehaving.url, "--in-flight", 2) == 0
    assert gaps(misbehaving)[1] >= 3


def test_no_longer_than_max_wait(
    loaded: str, misbehaving: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    misbehaving.script = lambda _request: refuse(503)
    assert score(loaded, misbehaving.url, "--max-wait", 2, "--in-flight", 1) == 4
    assert len(misbehaving.requests) > 2
    assert sum(gaps(misbehaving)) < 30
    assert capfd.readouterr().err.count("Trying again") == 1
    misbehaving.requests.clear()
    misbehaving.script = lambda _request: refuse(503, Retry_After="3600")
    assert score(loaded, misbehaving.url, "--in-flight", 1) == 4
    assert len(misbehaving.requests) == 1
    assert stored(loaded) == 0


@pytest.mark.parametrize("fault", ["timeout", "504"])
def test_timeout_or_504_is_never_resent_at_once_and_goes_on_with_smaller_batches(
    fault: str, loaded: str, trained: Trained, champion: str, misbehaving: Misbehaving
) -> None:
    done = threading.Event()

    def slow_on_large_batches(request: Request) -> Answer:
        if request.number <= 2:  # whatever comes first
            if fault == "504":
                return refuse(504)
            done.wait(60)
        return relay(champion, request.body)

    misbehaving.script = slow_on_large_batches
    flags = ("--batch-size", 4000, "--in-flight", 2, "--timeout", 2 if fault == "timeout" else 60)
    assert score(loaded, misbehaving.url, *flags) == 0
    done.set()
    assert_every_offer_once(loaded, champion_id(trained))
    rows = rows_sent(misbehaving)
    least = 0.2 + (2 if fault == "timeout" else 0)  # the time out and half the first wait
    assert misbehaving.requests[2].arrived - misbehaving.requests[0].arrived >= least
    assert rows[0] > 4000 > 2000 + CANARIES >= rows[2]
    assert misbehaving.requests[2].under_way <= 1 + 2 * (fault == "timeout")
    assert max(rows[5:]) > 4000  # grown back


def test_an_answer_that_trickles_is_a_timeout(
    loaded: str, misbehaving: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    misbehaving.script = lambda _request: Answer(
        200, "application/json", b" " * 2000, {"Content-Length": "9000"}, seconds=60
    )
    assert score(loaded, misbehaving.url, "--timeout", 1, "--max-wait", 0, "--in-flight", 1) == 4
    assert "gave no answer within 1 seconds" in capfd.readouterr().err


def test_each_timeout_is_given_time_though_another_failed_before_it() -> None:
    pace, now = Pace(Limits()), time.monotonic()
    pace.failed(Unavailable("gone"), sent_at=now)
    assert pace.pause <= 0.5
    pace.failed(TimedOut("slow"), sent_at=now - 50)
    assert pace.pause > 4.5


def test_nonsense_counts_in_a_row_and_each_wait_has_its_own_end() -> None:
    pace = Pace(Limits(max_wait=60, wait_for_version=60))
    for error in (Unavailable("gone"), Faulty("odd"), Unavailable("gone"), Faulty("odd")):
        pace.failed(error, sent_at=time.monotonic())
    pace.failed(Faulty("odd"), sent_at=time.monotonic())
    with pytest.raises(Faulty):
        pace.failed(Faulty("odd"), sent_at=time.monotonic())
    pace = Pace(Limits(max_wait=0, wait_for_version=60))
    pace.failed(WrongVersion("other"), sent_at=time.monotonic())
    with pytest.raises(Unavailable):
        pace.failed(Unavailable("gone"), sent_at=time.monotonic())


def test_413_halves_and_never_asks_for_as_much_again(
    loaded: str, trained: Trained, champion: str, misbehaving: Misbehaving
) -> None:
    def small_only(request: Request) -> Answer:
        if request.rows.num_rows > 3000:
            return refuse(413)
        return relay(champion, request.body)

    misbehaving.script = small_only
    assert score(loaded, misbehaving.url, "--batch-size", 10_000, "--in-flight", 1) == 0
    assert_every_offer_once(loaded, champion_id(trained))
    assert [rows > 3000 for rows in rows_sent(misbehaving)].count(True) <= 4
    assert "TooLarge" not in str(query(loaded, "SELECT outcome FROM scoring_runs"))


def test_413_on_a_single_row_stops(
    loaded: str, misbehaving: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    misbehaving.script = lambda _request: refuse(413)
    assert score(loaded, misbehaving.url, "--batch-size", 4, "--in-flight", 1) == 4
    assert "answered 413" in capfd.readouterr().err
    assert len(misbehaving.requests) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 415])
def test_401_403_404_and_415_stop_with_one_sentence(
    status: int, loaded: str, misbehaving: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    misbehaving.script = lambda _request: refuse(status)
    assert score(loaded, misbehaving.url, "--in-flight", 1) == 4
    error = capfd.readouterr().err
    assert f"answered {status}" in error
    assert error.count("\n") == 1
    assert len(misbehaving.requests) == 1
    assert stored(loaded) == 0


def test_a_password_in_the_address_is_neither_shown_nor_stored(
    loaded: str, misbehaving: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    misbehaving.script = lambda _request: refuse(401)
    address = misbehaving.url.replace("http://", "http://me:secret@")
    assert score(loaded, address) == 4
    output = capfd.readouterr()
    assert "secret" not in output.err + output.out
    assert query(loaded, "SELECT endpoint FROM scoring_runs") == [(misbehaving.url,)]


def test_another_version_is_waited_for_if_asked(
    loaded: str, trained: Trained, champion: str, challenger: str, misbehaving: Misbehaving
) -> None:
    def swapped_for_a_while(request: Request) -> Answer:
        other = 3 <= request.number <= 6
        return relay(challenger if other else champion, request.body)

    misbehaving.script = swapped_for_a_while
    assert score(loaded, misbehaving.url, "--wait-for-version", 60, "--batch-size", 4000) == 0
    assert_every_offer_once(loaded, champion_id(trained))


def test_another_version_is_waited_for_no_longer_than_asked(
    loaded: str, challenger: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score(loaded, challenger, "--wait-for-version", 1, "--max-wait", 0) == 4
    error = capfd.readouterr().err
    assert error.count("Trying again") == 1
    assert "does not answer as" in error.splitlines()[-1]
    assert stored(loaded) == 0


def test_good_answers_in_flight_are_stored_when_another_ends_the_run(
    loaded: str, champion: str, misbehaving: Misbehaving
) -> None:
    refused = threading.Event()

    def one_is_refused(request: Request) -> Answer:
        if request.number == 2:
            refused.set()
            return refuse(403)
        assert refused.wait(60)
        return relay(champion, request.body)

    misbehaving.script = one_is_refused
    assert score(loaded, misbehaving.url, "--batch-size", 1000, "--in-flight", 3) == 4
    assert stored(loaded) == 2000
    assert len(misbehaving.requests) == 3

"""When the scoring client retries after a failure, and how much it sends."""

import time

import pytest

from scoring.backoff import Backoff, ScoringLimits
from scoring.errors import Faulty, TimedOut, TransientError, Unavailable, WrongVersion


class Clock:
    """A monotonic clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    # the longest wait that the jitter can choose
    monkeypatch.setattr("random.uniform", lambda _shortest, longest: longest)
    return clock


def unavailable(retry_after: float = 0.0) -> Unavailable:
    error = Unavailable("gone")
    error.retry_after = retry_after
    return error


def test_waits_double_with_each_failure_in_a_row_up_to_the_longest(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits(max_wait=10_000))
    waits = []
    for _ in range(9):
        client_backoff.record_failure(unavailable(), sent_at=clock.now)
        waits.append(client_backoff.pause)
        clock.now += client_backoff.pause
    assert waits == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30, 30])


def test_failures_of_requests_sent_before_the_first_failure_count_once(
    clock: Clock,
) -> None:
    client_backoff = Backoff(ScoringLimits())
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    client_backoff.record_failure(unavailable(), sent_at=clock.now - 1)
    assert client_backoff.pause == pytest.approx(0.5)


def test_a_success_resets_the_backoff_unless_the_request_is_older_than_the_failure(
    clock: Clock,
) -> None:
    client_backoff = Backoff(ScoringLimits(in_flight=4))
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    assert client_backoff.is_troubled
    client_backoff.record_success(sent_at=clock.now - 1)
    assert client_backoff.is_troubled
    assert client_backoff.in_flight == 1
    client_backoff.record_success(sent_at=clock.now + 1)
    assert not client_backoff.is_troubled
    assert client_backoff.in_flight == 2


@pytest.mark.parametrize("retry_after", [3.0, 20.0])
def test_retry_after_is_obeyed(retry_after: float, clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits())
    client_backoff.record_failure(unavailable(retry_after), sent_at=clock.now)
    assert client_backoff.pause == pytest.approx(retry_after)
    client_backoff.record_failure(
        unavailable(), sent_at=clock.now - 1
    )  # another failure does not shorten it
    client_backoff.record_success(sent_at=clock.now - 1)  # nor does an older response
    assert client_backoff.pause == pytest.approx(retry_after)


def test_a_wait_longer_than_max_wait_gives_up_at_once(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits(max_wait=120))
    with pytest.raises(Unavailable):
        client_backoff.record_failure(unavailable(retry_after=121), sent_at=clock.now)


def test_it_gives_up_when_max_wait_has_passed_since_the_first_failure(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits(max_wait=2))
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    clock.now += 1.5
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    assert client_backoff.pause == pytest.approx(0.5)  # cut to the rest of max_wait
    clock.now += 0.5
    with pytest.raises(Unavailable):
        client_backoff.record_failure(unavailable(), sent_at=clock.now)


@pytest.mark.parametrize(
    ("limits", "waits_for", "gives_up_on"),
    [
        (ScoringLimits(max_wait=0, wait_for_version=60), WrongVersion, Unavailable),
        (ScoringLimits(max_wait=60, wait_for_version=0), Unavailable, WrongVersion),
    ],
)
def test_max_wait_and_wait_for_version_are_independent(
    limits: ScoringLimits,
    waits_for: type[TransientError],
    gives_up_on: type[TransientError],
    clock: Clock,
) -> None:
    client_backoff = Backoff(limits)
    client_backoff.record_failure(waits_for("trouble"), sent_at=clock.now)
    with pytest.raises(gives_up_on):
        client_backoff.record_failure(gives_up_on("trouble"), sent_at=clock.now)


def test_each_wait_begins_with_the_first_failure_of_its_kind(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits(max_wait=60, wait_for_version=100))
    client_backoff.record_failure(WrongVersion("other"), sent_at=clock.now)
    clock.now += 70
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    clock.now += 29
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    client_backoff.record_failure(WrongVersion("other"), sent_at=clock.now)
    clock.now += 1
    with pytest.raises(WrongVersion):
        client_backoff.record_failure(WrongVersion("other"), sent_at=clock.now)


def test_after_a_success_waits_and_max_wait_start_again(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits(max_wait=60))
    for error in (unavailable(), Faulty("odd"), Faulty("odd")):
        client_backoff.record_failure(error, sent_at=clock.now)
    clock.now += 50
    client_backoff.record_success(sent_at=clock.now)
    clock.now += 50
    for _ in range(2):  # without the success, the third and fourth faulty response in a row
        client_backoff.record_failure(Faulty("odd"), sent_at=clock.now)
    clock.now += 50
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    assert client_backoff.pause == pytest.approx(2)  # the third wait


def test_three_faulty_responses_in_a_row_end_the_run(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits(max_wait=60))
    for error in (Unavailable("gone"), Faulty("odd"), Unavailable("gone"), Faulty("odd")):
        client_backoff.record_failure(error, sent_at=clock.now)
    client_backoff.record_failure(Faulty("odd"), sent_at=clock.now)
    with pytest.raises(Faulty):
        client_backoff.record_failure(Faulty("odd"), sent_at=clock.now)


def test_a_timeout_adds_a_tenth_of_the_request_time_to_the_wait(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits())
    client_backoff.record_failure(Unavailable("gone"), sent_at=clock.now)
    assert client_backoff.pause <= 0.5
    client_backoff.record_failure(TimedOut("slow"), sent_at=clock.now - 50)
    assert client_backoff.pause == pytest.approx(5)


def test_a_timeout_waits_at_least_half_of_the_backoff(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda shortest, _longest: shortest)
    client_backoff = Backoff(ScoringLimits())
    client_backoff.record_failure(TimedOut("slow"), sent_at=clock.now)
    assert client_backoff.pause == pytest.approx(0.25)
    client_backoff = Backoff(ScoringLimits())
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    assert client_backoff.pause == 0


def test_a_timeout_halves_batches_and_requests_in_flight_and_successes_restore_them(
    clock: Clock,
) -> None:
    client_backoff = Backoff(ScoringLimits(batch_size=4_000, in_flight=4))
    client_backoff.record_failure(TimedOut("slow"), sent_at=clock.now)
    assert (client_backoff.batch_size, client_backoff.in_flight) == (2_000, 2)
    sizes = []
    for _ in range(6):
        clock.now += 1
        client_backoff.record_success(sent_at=clock.now)
        sizes.append(client_backoff.batch_size)
    assert sizes == [2_400, 2_800, 3_200, 3_600, 4_000, 4_000]
    assert client_backoff.in_flight == 4


def test_an_unavailable_server_gets_one_request_at_a_time(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits(batch_size=4_000, in_flight=4))
    client_backoff.record_failure(unavailable(), sent_at=clock.now)
    assert (client_backoff.batch_size, client_backoff.in_flight) == (4_000, 1)


def test_a_request_size_that_was_too_large_is_never_sent_again(clock: Clock) -> None:
    client_backoff = Backoff(ScoringLimits(batch_size=4_000))
    client_backoff.record_too_large(4_000)
    for _ in range(30):
        clock.now += 1
        client_backoff.record_success(sent_at=clock.now)
    assert client_backoff.batch_size == 2_000
    client_backoff.record_too_large(1)
    assert client_backoff.batch_size == 1

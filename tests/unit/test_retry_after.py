"""How the scoring client reads the header Retry-After."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from scoring.endpoint import _retry_after


def response_with(retry_after: str | None) -> requests.Response:
    response = requests.Response()
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("3", 3),
        ("0", 0),
        ("soon", 0),
        ("-5", 0),
        ("Mon, 01 Jan 99999 00:00:00 GMT", 0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0),  # in the past
    ],
)
def test_seconds_are_read_and_invalid_values_count_as_0(header: str | None, seconds: float) -> None:
    assert _retry_after(response_with(header)) == seconds


def test_a_date_is_read_as_the_time_until_then() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert _retry_after(response_with(until)) == pytest.approx(3_600, abs=60)

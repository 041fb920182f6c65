"""A server's error is stored and shown without the values of the rows."""

import pyarrow as pa
import pytest

from scoring.redact import redact_response


@pytest.mark.parametrize(
    ("response_text", "reason"),
    [
        ('{"message": "Failed to predict data \'a 1\'. \\nError: bad \'x\' in \'apr\'."}',
         "bad '…' in 'apr'"),
        ('{"message": "Failed to predict data \'a 1\'"}', "no reason given"),
        ('{"message": "x\\nError: it can\'t be very poor, 19.99 or 7 \\ud800\\u001b[31m of 70"}',
         "it can't be …, … or … [31m of 70"),
        ("<html>", "no reason given"),
        ("[]", "no reason given"),
        ("[" * 100_000, "no reason given"),
    ],
)  # fmt: skip
def test_a_reason_never_repeats_the_rows(response_text: str, reason: str) -> None:
    rows = pa.table({"apr": [19.99, 7.0], "credit": ["fair", "very poor"]})
    assert redact_response(response_text, rows) == reason

"""Reading a response never takes more memory than its rows can need."""

import gzip
import json
import tracemalloc

import pyarrow as pa
import pytest

from scoring.endpoint import ModelEndpoint
from scoring.errors import EndpointError
from tests.support.scripted_endpoint import Response, ScriptedEndpoint

ROWS = pa.table({"requested": [1.0] * 20})
MOST_BYTES = 5 * 2**20  # allocated in addition to the responses themselves
LARGE = b" " * 2**25
PACKED = gzip.compress(LARGE)
TEXTS = json.dumps({"predictions": ["a" * 60_000, *["b"] * 500]}).encode()  # as one array: 120 MB
ANSWERS: dict[str, tuple[int, bytes, str, str]] = {
    "compressed": (200, PACKED, "gzip", "compressed response"),
    "compressed twice": (200, gzip.compress(PACKED), "gzip, gzip", "compressed response"),
    "large": (200, LARGE, "identity", "more than 264,704 bytes"),
    "texts of unequal length": (200, TEXTS, "", "no pair of probabilities"),
    "a refusal": (400, LARGE, "", "no reason given"),
    "a compressed refusal": (400, PACKED, "gzip", "no reason given"),
    "a failure": (500, LARGE, "", "answered 500"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_a_response_larger_than_its_rows_can_need_is_not_read(
    case: str, endpoint: ScriptedEndpoint
) -> None:
    status, content, encoding, message = ANSWERS[case]
    answer = Response(status, "application/json", content, {"Content-Encoding": encoding})
    endpoint.script = lambda _request: answer
    tracemalloc.start()
    try:
        with pytest.raises(EndpointError, match=message):
            ModelEndpoint(endpoint.url).predict(ROWS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES


@pytest.mark.parametrize("headers", [{"X-Long": "a" * 70_000}, {f"X-{n}": "" for n in range(200)}])
def test_a_response_with_too_many_headers_is_one_error(
    headers: dict[str, str], endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = lambda _request: Response(200, "application/json", b"", headers)
    with pytest.raises(EndpointError, match="No model answers"):
        ModelEndpoint(endpoint.url).predict(ROWS)

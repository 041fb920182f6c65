"""All kinds of nonsense for serve.py: no 500, and nothing of it in an error or in the log.

`make test` sends 1,000 requests, `make soak` 10,000. Every text that is drawn holds a marker, and
so do the numbers, which then may be found nowhere else.
"""

import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.asking import COLUMNS, CSV, JSON, NUMBERS, PARQUET, ROWS, ask, records
from tests.helpers import Trained
from tests.servers import Server, our_server

REQUESTS = int(os.environ.get("SOAK_FUZZ_REQUESTS", "1000"))
SEED = int(os.environ.get("SOAK_SEED", "4"))
MARKER, NUMBER = "zq7x", 918273645.5
STATUSES = {200, 400, 404, 405, 412, 413, 415}
SHAPE = {"error_code", "message", "request_id"}

marked = st.text(max_size=12).map(lambda text: MARKER + text)
numbers = st.sampled_from([NUMBER, -NUMBER, 1e308, -1e308, 0, 5e-324, 2**63, 10**400, NUMBER * 1e9])
values = st.recursive(
    st.none()
    | st.booleans()
    | marked
    | numbers
    | st.floats()
    | st.sampled_from(["", "NaN", "1e5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(marked, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(COLUMNS) | marked
likely = st.fixed_dictionaries(
    {name: st.none() | (numbers if name in NUMBERS else marked) for name in COLUMNS}
)
rows = likely | st.dictionaries(st.sampled_from(COLUMNS), values).map(lambda some: ROWS[0] | some)
loose_rows = st.dictionaries(names, values, max_size=7)
fields = st.sampled_from(
    ["dataframe_records", "dataframe_split", "instances", "inputs", "params", "messages", "prompt"]
)
objects = (
    st.fixed_dictionaries({"dataframe_records": st.lists(likely, min_size=1, max_size=4)})
    | st.fixed_dictionaries({"dataframe_records": st.lists(rows, min_size=1, max_size=4)})
    | st.fixed_dictionaries({"dataframe_records": st.lists(loose_rows, max_size=4) | values})
    | st.fixed_dictionaries({"instances": st.lists(rows | loose_rows, max_size=3) | values})
    | st.fixed_dictionaries({"inputs": loose_rows | rows | values})
    | st.fixed_dictionaries(
        {
            "dataframe_split": st.fixed_dictionaries(
                {"columns": st.just(COLUMNS) | st.lists(names, max_size=6)},
                optional={
                    "data": st.lists(st.lists(values, max_size=6), max_size=3) | values,
                    "index": values,
                    "more": values,
                },
            )
            | values
        }
    )
    | st.dictionaries(fields | marked, values, max_size=3)
    | values
)


def as_parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    try:
        pd.DataFrame(columns).to_parquet(buffer)
    except Exception:  # a frame that cannot be: its bytes are nonsense too
        return f"PAR1{columns}PAR1".encode("utf-8", "surrogatepass")
    return buffer.getvalue()


def as_csv(table: list[list[Any]]) -> bytes:
    lines = [",".join(map(str, line)) for line in table]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def deep(levels: int) -> bytes:
    return b'{"dataframe_records": ' + b"[" * levels + b"]" * levels + b"}"


bodies = (
    st.tuples(st.just(JSON), objects.map(lambda found: json.dumps(found).encode()))
    | st.tuples(st.just(JSON), st.sampled_from([10, 1_000, 100_000]).map(deep))
    | st.tuples(
        st.just(CSV),
        st.lists(st.lists(values, min_size=5, max_size=5), max_size=3).map(
            lambda found: as_csv([COLUMNS, *found])
        ),
    )
    | st.tuples(
        st.just(PARQUET),
        st.dictionaries(names, st.lists(values, min_size=2, max_size=2), max_size=6).map(
            as_parquet
        ),
    )
    | st.tuples(
        st.sampled_from([JSON, CSV, PARQUET, "", "text/plain", f"{JSON}; charset={MARKER}"]),
        st.binary(max_size=60).map(lambda some: some + MARKER.encode()),
    )
)
targets = st.sampled_from(
    [("POST", "/invocations")] * 12
    + [("POST", "/champion/invocations"), ("POST", f"/{MARKER}/invocations")]
    + [("PUT", "/invocations"), ("GET", f"/{MARKER}?{MARKER}={MARKER}"), ("POST", "/model")]
)
headers = st.sampled_from(
    [{}] * 8
    + [{name: MARKER} for name in ("X-Model-Version", "Authorization", "X-Request-ID")]
    + [{"X-Forwarded-For": MARKER}]
)


@pytest.fixture(scope="module")
def fuzzed(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzzed")
    with our_server(trained.tracking_uri, folder) as found:
        yield found
        for log in (found.log, Path(found.log.parent / "serve.err")):
            told = log.read_text()
            assert MARKER not in told
            assert str(NUMBER) not in told
        assert not [event for event in found.events if event["event"] == "fault"]


session = requests.Session()
found: Counter[int] = Counter()


@seed(SEED)
@settings(
    max_examples=REQUESTS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(target=targets, body=bodies, more=headers)
def test_nothing_makes_it_fail_or_repeat_what_it_was_sent(
    fuzzed: Server, target: tuple[str, str], body: tuple[str, bytes], more: dict[str, str]
) -> None:
    kind, content = body
    sent = more | ({"Content-Type": kind} if kind else {})
    answer = session.request(
        target[0], fuzzed.url + target[1], data=content, headers=sent, timeout=60
    )
    found[answer.status_code] += 1
    assert answer.status_code in STATUSES, answer.text
    told = json.loads(answer.text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    if answer.status_code == 200:
        assert all(0 <= p <= 1 for pair in told["predictions"] for p in pair)
        return
    assert set(told) == SHAPE
    for part in (answer.text, str(answer.headers)):
        assert MARKER not in part
        assert str(NUMBER) not in part


def test_the_nonsense_was_of_all_kinds(fuzzed: Server) -> None:
    print(f"{found.total():,} requests: {dict(found)}")
    assert found.total() >= REQUESTS
    assert set(found) >= {200, 400, 404, 405, 412, 415}
    assert ask(fuzzed.url, JSON, records(*ROWS)).ok

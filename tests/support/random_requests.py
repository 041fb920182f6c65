"""Requests of all kinds of nonsense, drawn by Hypothesis.

Every text holds MARKER, and numbers hold NUMBER, so that they can be looked for.
"""

import io
import json
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from tests.support.request_bodies import COLUMNS, CSV, JSON, NUMBERS, PARQUET, ROWS

MARKER, NUMBER = "zq7x", 918273645.5

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
rows = likely | st.dictionaries(st.sampled_from(COLUMNS), values).map(lambda drawn: ROWS[0] | drawn)
wide_rows = st.tuples(likely, st.dictionaries(marked, values, min_size=1, max_size=2)).map(
    lambda drawn: drawn[0] | drawn[1]
)
loose_rows = st.dictionaries(names, values, max_size=7)
fields = st.sampled_from(
    ["dataframe_records", "dataframe_split", "instances", "inputs", "params", "messages", "prompt"]
)
objects = (
    st.fixed_dictionaries({"dataframe_records": st.lists(likely, min_size=1, max_size=4)})
    | st.fixed_dictionaries({"dataframe_records": st.lists(wide_rows, min_size=1, max_size=2)})
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
    st.tuples(st.just(JSON), objects.map(lambda drawn: json.dumps(drawn).encode()))
    | st.tuples(st.just(JSON), st.sampled_from([10, 1_000, 100_000]).map(deep))
    | st.tuples(
        st.just(CSV),
        st.lists(st.lists(values, min_size=5, max_size=5), max_size=3).map(
            lambda drawn: as_csv([COLUMNS, *drawn])
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
        st.binary(max_size=60).map(lambda drawn: drawn + MARKER.encode()),
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

"""Bodies of scoring requests: which are refused before a data frame is made, and what is kept."""

import io
import json
import struct
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving import body_limits
from serving.errors import RequestError
from tests.support.request_bodies import (
    COLUMNS,
    CSV,
    FRAME,
    JSON,
    PARQUET,
    ROWS,
    parquet_body,
    split_body,
)

LIMITS = body_limits.BodyLimits(rows=1000, size=100_000)
MORE_ROWS = LIMITS.rows + 1
NAMES = [f"column {number}" for number in range(1200)]
DEEP = "[" * 100_000 + "]" * 100_000
LONG = "x" * 1000


def limited(kind: str, body: str | bytes) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    return body_limits.apply_limits(content, kind, COLUMNS, LIMITS)


def records(rows: Any, name: str = "dataframe_records") -> str:
    return json.dumps({name: rows})


def split(names: Any, rows: Any) -> str:
    return json.dumps({"dataframe_split": {"columns": names, "data": rows}})


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def with_larger_footer(body: bytes) -> bytes:
    return body[:-8] + struct.pack("<I", 2**24) + body[-4:]


def parquet_of_one_page(header_fields: int, row_groups: int) -> bytes:
    """Parquet whose row groups all have the same page, the header of which has so many fields."""
    # in Thrift's compact protocol: the kind of page, both sizes 0, then true again and again
    header = b"\x15\0\x15\0\x15\0" + b"\x11" * header_fields + b"\0"
    size = varint(2 * len(header))
    column = b"\x15\x0a\x19\x15\0\x19\x18\x03apr\x15\0\x16\x02\x16" + size + b"\x16" + size
    chunk = b"\x26\x08\x1c" + column + b"\x26\x08\0\0"
    group = b"\x19\x1c" + chunk + b"\x16\x02\x16\0\0"
    schema = b"\x48\x01s\x15\x02\0\x15\x0a\x25\x02\x18\x03apr\0"
    footer = b"\x15\x02\x19\x2c" + schema + b"\x16\0\x19\xfc" + varint(row_groups)
    footer += group * row_groups + b"\0"
    return b"PAR1" + header + footer + struct.pack("<I", len(footer)) + b"PAR1"


def varint(number: int) -> bytes:
    """A number in Thrift's compact protocol, seven bits a byte."""
    rest = number >> 7
    return bytes([number & 127 | 128]) + varint(rest) if rest else bytes([number])


# what the body is -> its kind, the body, the status, a part of the reason
REFUSED: dict[str, tuple[str, str | bytes, int, str]] = {
    "records of too many rows": (JSON, records([{}] * MORE_ROWS), 413, "1,000 rows"),
    "each record with another column": (JSON, records([{n: 0} for n in NAMES[:-150]]), 413, "rows"),
    "too many columns": (JSON, records([dict.fromkeys(NAMES)]), 400, "1,000 columns"),
    "a record that is a list": (JSON, records([[0] * 1000, []]), 400, "a list of objects"),
    "a record of many names": (JSON, records([{str(n): 0 for n in range(17_000)}]), 413, "rows"),
    "nesting": (JSON, '{"dataframe_records": ' + DEEP + "}", 413, "rows"),
    "a little nesting": (JSON, '{"inputs": ' + DEEP[99_500:100_500] + "}", 400, "list of objects"),
    "instances of too many columns": (
        JSON, records([dict.fromkeys(NAMES)], "instances"), 400, "1,000 columns",
    ),
    "inputs of too many columns": (
        JSON, records({name: [0] for name in NAMES}, "inputs"), 400, "1,000 columns",
    ),
    "inputs of too many rows": (
        JSON, records({"apr": [0] * MORE_ROWS}, "inputs"), 413, "1,000 rows",
    ),
    "inputs of different lengths": (
        JSON, records({"apr": [0, 0], "credit": "good"}, "inputs"), 400, "as many values",
    ),
    "a body for a language model": (JSON, '{"messages": []}', 400, "just one of"),
    "a split of too many rows": (JSON, split([], [[]] * MORE_ROWS), 413, "1,000 rows"),
    "a split of too many columns": (JSON, split(NAMES, [[0] * 1200]), 400, "1,000 columns"),
    "a split with a longer row": (JSON, split(["apr"], [[0] * 900, [0]]), 400, "a value for each"),
    "CSV of too many rows": (CSV, "apr\n" + "0\n" * MORE_ROWS, 413, "1,000 rows"),
    "CSV of too many columns": (CSV, ",".join(NAMES), 400, "1,000 columns"),
    "CSV with a longer row": (CSV, "apr\n" + "0," * 900, 400, "more cells"),
    "CSV with a row of many lines": (CSV, "apr\n" + '"0\n",' * 1100, 400, "1,000 columns"),
    "Parquet of too many rows": (PARQUET, parquet({"apr": [0.0] * MORE_ROWS}), 413, "1,000 rows"),
    "Parquet of too many columns": (
        PARQUET, parquet({name: [0.0] for name in NAMES}), 400, "1,000 columns",
    ),
    "Parquet that decompresses to more": (
        PARQUET,
        parquet({"credit": [LONG * 101, "x"]}, compression="zstd", use_dictionary=False),
        413, "100,000 bytes",
    ),
    "Parquet that repeats a long text": (
        PARQUET, parquet({"credit": [LONG] * 1000}), 413, "100,000 bytes",
    ),
    "Parquet that repeats parts of a long text": (
        PARQUET,
        parquet(
            {"credit": [LONG] * 1000},
            use_dictionary=False, column_encoding={"credit": "DELTA_BYTE_ARRAY"},
        ),
        400, "DELTA_BYTE_ARRAY",
    ),
    "Parquet that repeats a long value of fixed length": (
        PARQUET, parquet({"credit": pa.array([b"x" * 1000] * 1000, pa.binary(1000))}),
        400, "credit holds something of",
    ),
    "Parquet whose row groups share a page": (
        PARQUET, parquet_of_one_page(100, row_groups=500), 400, "cannot be read as Parquet",
    ),
    "Parquet whose page has a long header": (
        PARQUET, parquet_of_one_page(1_000_000, row_groups=1), 400, "cannot be read as Parquet",
    ),
    "Parquet with lists": (PARQUET, parquet({"apr": [[0.0]]}), 400, "apr holds something of"),
    "Parquet with a large footer": (
        PARQUET, with_larger_footer(parquet_body(FRAME)), 400, "footer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_need_much_memory_is_refused(case: str) -> None:
    kind, body, status, reason = REFUSED[case]
    with pytest.raises(RequestError) as refusal:
        limited(kind, body)
    assert (refusal.value.status, refusal.value.code) in {(400, "BAD_ROWS"), (413, "TOO_LARGE")}
    assert refusal.value.status == status
    assert reason in refusal.value.message


def test_columns_that_the_model_does_not_use_are_dropped() -> None:
    wide = FRAME.assign(**{f"x{number}": LONG for number in range(90)})
    kept = {
        JSON: pd.DataFrame(**json.loads(limited(JSON, split_body(wide)))["dataframe_split"]),
        CSV: pd.read_csv(io.BytesIO(limited(CSV, wide.to_csv(index=False)))),
        PARQUET: pd.read_parquet(io.BytesIO(limited(PARQUET, parquet_body(wide)))),
    }
    for kind, frame in kept.items():
        assert list(frame.columns) == COLUMNS, kind
        pd.testing.assert_frame_equal(frame[COLUMNS].astype(FRAME.dtypes), FRAME, check_dtype=False)


@pytest.mark.parametrize("name", ["instances", "inputs", "dataframe_records"])
def test_rows_of_any_format_are_kept(name: str) -> None:
    extra = [row | {"surname": "Ellington"} for row in ROWS]
    frame = json.loads(limited(JSON, records(extra, name)))["dataframe_split"]
    rows = [dict(zip(frame["columns"], row, strict=True)) for row in frame["data"]]
    assert rows == ROWS


def test_rewritten_rows_take_no_more_bytes_than_before() -> None:
    rows = [{"credit": "\N{CYRILLIC SMALL LETTER ZHE}" * 1000, "surname": "E"}] * 10
    body = json.dumps({"dataframe_records": rows}, ensure_ascii=False).encode()
    assert len(limited(JSON, body)) < len(body)


def test_half_of_a_surrogate_pair_is_kept() -> None:
    frame = json.loads(limited(JSON, records([{"credit": "\ud800", "surname": "E"}])))
    assert frame["dataframe_split"]["data"] == [["\ud800"]]


def test_what_is_beside_the_rows_is_dropped() -> None:
    content = {"messages": LONG, "dataframe_records": ROWS}
    assert json.loads(limited(JSON, json.dumps(content))) == {"dataframe_records": ROWS}


def test_inputs_by_column_are_kept() -> None:
    columns = {name: [row[name] for row in ROWS] for name in COLUMNS}
    frame = json.loads(limited(JSON, records(columns, "inputs")))["dataframe_split"]
    assert frame["columns"] == COLUMNS
    assert frame["data"] == [[row[name] for name in COLUMNS] for row in ROWS]


@pytest.mark.parametrize("kind", [JSON, CSV, f"{PARQUET}; charset=latin-1", "text/html"])
def test_what_mlflow_refuses_by_itself_is_left_to_it(kind: str) -> None:
    assert limited(kind, b"\xff") == b"\xff"

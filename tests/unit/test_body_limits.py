"""Which bodies of scoring requests are rejected, and how the others are rewritten."""

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

LIMITS = body_limits.BodyLimits(max_rows=1000, max_bytes=100_000)
MORE_ROWS = LIMITS.max_rows + 1
NAMES = [f"column {number}" for number in range(1200)]
NESTED = "[" * 100_000 + "]" * 100_000
LONG_TEXT = "x" * 1000


def apply_limits(content_type: str, body: str | bytes) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    return body_limits.apply_limits(content, content_type, COLUMNS, LIMITS)


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
    """Parquet whose row groups share one page, which has this number of fields in its header."""
    # in Thrift's compact protocol: the page type, both sizes 0, then a field that is true, repeated
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
    """A number in Thrift's compact protocol, with seven bits per byte."""
    rest = number >> 7
    return bytes([number & 127 | 128]) + varint(rest) if rest else bytes([number])


# description: content type, body, status, part of the message
REJECTED: dict[str, tuple[str, str | bytes, int, str]] = {
    "records with too many rows": (JSON, records([{}] * MORE_ROWS), 413, "1,000 rows"),
    "records with different columns": (JSON, records([{n: 0} for n in NAMES[:-150]]), 413, "rows"),
    "too many columns": (JSON, records([dict.fromkeys(NAMES)]), 400, "1,000 columns"),
    "a record that is a list": (JSON, records([[0] * 1000, []]), 400, "a list of objects"),
    "a record with many names": (JSON, records([{str(n): 0 for n in range(17_000)}]), 413, "rows"),
    "deeply nested lists": (JSON, '{"dataframe_records": ' + NESTED + "}", 413, "rows"),
    "nested lists": (JSON, '{"inputs": ' + NESTED[99_500:100_500] + "}", 400, "list of objects"),
    "instances with too many columns": (
        JSON, records([dict.fromkeys(NAMES)], "instances"), 400, "1,000 columns",
    ),
    "inputs with too many columns": (
        JSON, records({name: [0] for name in NAMES}, "inputs"), 400, "1,000 columns",
    ),
    "inputs with too many rows": (
        JSON, records({"apr": [0] * MORE_ROWS}, "inputs"), 413, "1,000 rows",
    ),
    "inputs of different lengths": (
        JSON, records({"apr": [0, 0], "credit": "good"}, "inputs"), 400, "same number of values",
    ),
    "a body for a language model": (JSON, '{"messages": []}', 400, "exactly one of"),
    "a split with too many rows": (JSON, split([], [[]] * MORE_ROWS), 413, "1,000 rows"),
    "a split with too many columns": (JSON, split(NAMES, [[0] * 1200]), 400, "1,000 columns"),
    "a split with a longer row": (JSON, split(["apr"], [[0] * 900, [0]]), 400, "same length"),
    "CSV with too many rows": (CSV, "apr\n" + "0\n" * MORE_ROWS, 413, "1,000 rows"),
    "CSV with too many columns": (CSV, ",".join(NAMES), 400, "1,000 columns"),
    "CSV with a longer row": (CSV, "apr\n" + "0," * 900, 400, "more cells than the header"),
    "CSV with a row that has many lines": (CSV, "apr\n" + '"0\n",' * 1100, 400, "1,000 columns"),
    "Parquet with too many rows": (PARQUET, parquet({"apr": [0.0] * MORE_ROWS}), 413, "1,000 rows"),
    "Parquet with too many columns": (
        PARQUET, parquet({name: [0.0] for name in NAMES}), 400, "1,000 columns",
    ),
    "Parquet that exceeds the limit when decompressed": (
        PARQUET,
        parquet({"credit": [LONG_TEXT * 101, "x"]}, compression="zstd", use_dictionary=False),
        413, "100,000 bytes",
    ),
    "Parquet that repeats a long text": (
        PARQUET, parquet({"credit": [LONG_TEXT] * 1000}), 413, "100,000 bytes",
    ),
    "Parquet that repeats parts of a long text": (
        PARQUET,
        parquet(
            {"credit": [LONG_TEXT] * 1000},
            use_dictionary=False, column_encoding={"credit": "DELTA_BYTE_ARRAY"},
        ),
        400, "DELTA_BYTE_ARRAY",
    ),
    "Parquet that repeats a long value of fixed length": (
        PARQUET, parquet({"credit": pa.array([b"x" * 1000] * 1000, pa.binary(1000))}),
        400, "credit has another type",
    ),
    "Parquet whose row groups share a page": (
        PARQUET, parquet_of_one_page(100, row_groups=500), 400, "cannot be read as Parquet",
    ),
    "Parquet whose page has a long header": (
        PARQUET, parquet_of_one_page(1_000_000, row_groups=1), 400, "cannot be read as Parquet",
    ),
    "Parquet with lists": (PARQUET, parquet({"apr": [[0.0]]}), 400, "apr has another type"),
    "Parquet with a large footer": (
        PARQUET, with_larger_footer(parquet_body(FRAME)), 400, "footer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REJECTED)
def test_bodies_that_need_much_memory_are_rejected(case: str) -> None:
    content_type, body, status, message = REJECTED[case]
    with pytest.raises(RequestError) as error:
        apply_limits(content_type, body)
    assert (error.value.status, error.value.code) in {(400, "BAD_ROWS"), (413, "TOO_LARGE")}
    assert error.value.status == status
    assert message in error.value.message


def test_columns_that_the_model_does_not_use_are_dropped() -> None:
    wide = FRAME.assign(**{f"x{number}": LONG_TEXT for number in range(90)})
    rewritten = {
        JSON: pd.DataFrame(**json.loads(apply_limits(JSON, split_body(wide)))["dataframe_split"]),
        CSV: pd.read_csv(io.BytesIO(apply_limits(CSV, wide.to_csv(index=False)))),
        PARQUET: pd.read_parquet(io.BytesIO(apply_limits(PARQUET, parquet_body(wide)))),
    }
    for content_type, frame in rewritten.items():
        assert list(frame.columns) == COLUMNS, content_type
        pd.testing.assert_frame_equal(frame[COLUMNS].astype(FRAME.dtypes), FRAME, check_dtype=False)


@pytest.mark.parametrize("name", ["instances", "inputs", "dataframe_records"])
def test_rows_of_each_format_are_kept(name: str) -> None:
    extra = [row | {"surname": "Ellington"} for row in ROWS]
    frame = json.loads(apply_limits(JSON, records(extra, name)))["dataframe_split"]
    rows = [dict(zip(frame["columns"], row, strict=True)) for row in frame["data"]]
    assert rows == ROWS


def test_rewritten_rows_are_not_larger_than_before() -> None:
    rows = [{"credit": "\N{CYRILLIC SMALL LETTER ZHE}" * 1000, "surname": "E"}] * 10
    body = json.dumps({"dataframe_records": rows}, ensure_ascii=False).encode()
    assert len(apply_limits(JSON, body)) < len(body)


def test_half_a_surrogate_pair_is_kept() -> None:
    frame = json.loads(apply_limits(JSON, records([{"credit": "\ud800", "surname": "E"}])))
    assert frame["dataframe_split"]["data"] == [["\ud800"]]


def test_other_keys_than_the_rows_are_dropped() -> None:
    content = {"messages": LONG_TEXT, "dataframe_records": ROWS}
    assert json.loads(apply_limits(JSON, json.dumps(content))) == {"dataframe_records": ROWS}


def test_inputs_by_column_are_kept() -> None:
    columns = {name: [row[name] for row in ROWS] for name in COLUMNS}
    frame = json.loads(apply_limits(JSON, records(columns, "inputs")))["dataframe_split"]
    assert frame["columns"] == COLUMNS
    assert frame["data"] == [[row[name] for name in COLUMNS] for row in ROWS]


@pytest.mark.parametrize("content_type", [JSON, CSV, f"{PARQUET}; charset=latin-1", "text/html"])
def test_bodies_that_mlflow_rejects_are_not_changed(content_type: str) -> None:
    assert apply_limits(content_type, b"\xff") == b"\xff"

"""Parse cells of CSV files as numbers and timestamps, in exactly the forms of docs/sources.md.

Cells must match a pattern before they are parsed, because parsers accept more forms, such as `now`.
"""

from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

FIRST_INEXACT_INTEGER = 2.0**53  # from here on, different whole numbers share a double
NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
INFINITE = r"^[+-]?(?i:inf|infinity)$"
DIGITS = r"^[+-]?\d{1,38}$"  # the precision of Arrow's decimals
# ISO 8601 in its extended and basic format: 2024-05-06T12:00:00.123456+02:00, 20240506
TIMESTAMP = (
    r"^(?P<date>\d{4}-\d\d-\d\d|\d{8})"
    r"(?:(?P<time>[T ]\d\d(?::?\d\d(?::?\d\d(?:\.\d{1,6})?)?)?)"
    r" ?(?P<offset>Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?$"
)
MICROSECONDS = r"(\.\d{6})\d{1,3}"  # further digits cannot be stored


def parse_cells(texts: pa.Array, expected: str) -> pa.Array:
    """Parse text as the expected type; a cell of any other form becomes null."""
    if expected == "a timestamp":
        return _timestamps(texts)
    texts = pc.ascii_trim_whitespace(texts)
    if expected == "a whole number":
        return _whole_numbers(texts)
    return _matching(texts, f"{NUMBER}|{INFINITE}").cast(pa.float64())


def _whole_numbers(texts: pa.Array) -> pa.Array:
    """Parse digits as decimals, which are exact, and forms such as `1e5` or `5.0` as doubles."""
    for name, digit in (("True", "1"), ("False", "0")):  # as pandas writes booleans
        texts = pc.if_else(pc.equal(texts, name), digit, texts)
    digits = _matching(texts, DIGITS).cast(pa.decimal128(38, 0))
    in_range = pc.and_(pc.greater_equal(digits, Decimal(-(2**63))), pc.less(digits, Decimal(2**63)))
    exact = pc.if_else(in_range, digits, None).cast(pa.int64())
    doubles = _matching(texts, NUMBER).cast(pa.float64())
    whole = pc.and_(
        pc.equal(pc.trunc(doubles), doubles), pc.less(pc.abs(doubles), FIRST_INEXACT_INTEGER)
    )
    return pc.coalesce(exact, pc.if_else(whole, doubles, None).cast(pa.int64()))


def _timestamps(texts: pa.Array) -> pa.Array:
    """Parse timestamps into UTC; the caller checks for years outside 1 to 9999."""
    texts = pc.replace_substring_regex(texts, MICROSECONDS, r"\1")
    texts = pc.if_else(pc.starts_with(texts, "0000"), None, texts)  # pandas raises on this year
    parts = pc.extract_regex(texts, TIMESTAMP)
    date, time, offset = (parts.field(name) for name in ("date", "time", "offset"))
    local = pd.Series(pc.binary_join_element_wise(date, time, ""), dtype=pd.ArrowDtype(pa.string()))
    times = pd.to_datetime(local, errors="coerce", format="ISO8601").to_numpy()
    offsets = offset.dictionary_encode()  # a file contains only a few different offsets
    microseconds = pa.array(map(_microseconds, offsets.dictionary.to_pylist()), pa.int64())
    utc = pc.subtract(
        pa.array(times, pa.timestamp("us")).cast(pa.int64()), microseconds.take(offsets.indices)
    )
    return utc.cast(pa.timestamp("us"))


def _microseconds(offset: str) -> int:
    """Convert an offset from UTC, such as +02:00, +0200, +02, Z or an empty one."""
    digits = offset.strip("Z+-").replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if offset.startswith("-") else minutes) * 60_000_000


def _matching(texts: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, None)

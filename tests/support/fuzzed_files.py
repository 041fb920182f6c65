"""Random CSV files for fuzzing ingest.py, with the rows that each should be read as."""

import datetime
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from hypothesis import strategies as st

REJECTED = object()  # the value of a cell that its column cannot hold
Cell = tuple[str, Any]  # the text in the file, and its value
Row = tuple[Any, ...]

MISSING: st.SearchStrategy[Cell] = st.sampled_from(["", "NA", "nan", "N/A", "null", "None"]).map(
    lambda text: (text, None)
)
NOT_TIMESTAMPS = [
    "now",
    "today",
    "NaT",
    "2024",
    "2024-05",
    "2024-W19-1",
    "05/06/2024",
    "2024-02-30",
]


def _number(text: str) -> Cell:
    """Evaluate ASCII text with Python's own parser."""
    try:
        value = Decimal(text.strip(" \t"))
    except InvalidOperation:
        return text, REJECTED
    if "_" in text or not value.is_finite() or abs(float(value)) == float("inf"):
        return text, REJECTED
    return text, float(value)


def _whole_number(cell: Cell) -> Cell:
    text, value = cell
    if value is REJECTED:
        return text, REJECTED
    exact = Decimal(text.strip(" \t"))
    if text.strip(" \t").lstrip("+-").isdigit():
        return text, int(exact) if -(2**63) <= exact < 2**63 else REJECTED
    return text, int(value) if value.is_integer() and abs(value) < 2**53 else REJECTED


def _timestamp(moment: datetime.datetime, offset: int | None, form: tuple[str, str, str]) -> Cell:
    date, separator, time = form
    text = moment.strftime("%Y").zfill(4) + moment.strftime(date + separator + time)
    if offset is None:
        return text, moment.replace(microsecond=moment.microsecond if "%f" in time else 0)
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    text += f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    moment = moment.replace(microsecond=moment.microsecond if "%f" in time else 0)
    try:
        return text, moment - datetime.timedelta(minutes=offset)
    except OverflowError:
        return text, REJECTED


def _text(text: str) -> Cell:
    return text, REJECTED if "\0" in text else text or None


signs = st.sampled_from("+-.eE_ 0123456789")
number_texts = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers(-(2**66), 2**66).map(str),
    st.decimals(-10_000, 10_000, places=2).map(str),
    st.text(signs, min_size=1, max_size=8),
    st.sampled_from(["inf", "0x10", "1,5", "5%", "-Infinity", "1e400", "9" * 60]),
)
numbers = MISSING | number_texts.map(_number)
whole_numbers = MISSING | number_texts.map(_number).map(_whole_number)
timestamps = (
    MISSING
    | st.sampled_from(NOT_TIMESTAMPS).map(lambda text: (text, REJECTED))
    | st.builds(
        _timestamp,
        st.datetimes(),
        st.none() | st.integers(-14 * 60, 14 * 60),
        st.tuples(
            st.sampled_from(["-%m-%d", "%m%d"]),
            st.sampled_from([" ", "T"]),
            st.sampled_from(["%H:%M:%S", "%H:%M:%S.%f", "%H%M%S"]),
        ),
    )
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(_text)


@dataclass
class CsvFile:
    """The bytes of a file, and its rows by their numbers; a rejected row is None."""

    content: bytes
    rows: dict[int, Row | None] = field(default_factory=dict)


def _quote(text: str, quote: bool) -> str:
    if quote or any(c in text for c in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


@st.composite
def csv_files(draw: st.DrawFn, names: Sequence[str]) -> CsvFile:
    """Draw a file with these columns: a number, a whole number, a timestamp and text."""
    rows = draw(st.lists(st.tuples(numbers, whole_numbers, timestamps, texts), max_size=12))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines, file = [",".join(names)], CsvFile(b"")
    for number, cells in enumerate(rows, 1):
        extra = draw(st.sampled_from([""] * 9 + [",", ',"x"']))
        quote = draw(st.booleans())
        lines += [""] * draw(st.sampled_from([0, 0, 0, 1]))
        lines.append(",".join(_quote(text, quote) for text, _ in cells) + extra)
        values = tuple(value for _, value in cells)
        file.rows[number] = None if extra or REJECTED in values else values
    bom = draw(st.sampled_from(["", "\ufeff"]))
    file.content = (bom + end.join(lines) + draw(st.sampled_from(["", end]))).encode()
    return file


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Compress bytes with gzip, and then truncate them or change one byte."""
    compressed = gzip.compress(content, mtime=0)
    position = draw(st.integers(0, len(compressed) - 1))
    if draw(st.booleans()):
        return compressed[:position]
    damaged = bytearray(compressed)
    damaged[position] ^= draw(st.integers(1, 255))
    return bytes(damaged)

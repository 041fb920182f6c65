"""Rows of CSV files are read in bounded memory, even if a line or a quoted field is long."""

import csv
import gzip
import io
import tracemalloc
from pathlib import Path

import pytest

from db.csv_rows import CHUNK_LENGTH, MAX_ROW_LENGTH, next_rows, read_rows
from db.readers import CsvReader

MEBIBYTE = 2**20


def read(text: str) -> list[list[str]]:
    return [fields for _, fields in read_rows(io.StringIO(text, newline=""))]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\r\n1,2\r\n", [["a", "b"], ["1", "2"]]),
        ('\n\na,"b\nc"\n\n"d ""e""",', [["a", "b\nc"], ['d "e"', ""]]),
        ("", []),
    ],
)
def test_rows_are_read_and_blank_lines_skipped(text: str, rows: list[list[str]]) -> None:
    assert read(text) == rows


@pytest.mark.parametrize(
    "content",
    [
        b"a," * (16 * MEBIBYTE),
        b"a\n1,2\n" + b"x" * (32 * MEBIBYTE),
        b'a\n"' + b'\n","' * (8 * MEBIBYTE),  # one row of fields with line breaks
    ],
    ids=["many fields", "one field", "many lines"],
)
def test_a_row_of_32_mebibytes_is_refused_and_not_kept_in_memory(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "long.csv.gz"
    path.write_bytes(gzip.compress(content, 1))
    tracemalloc.start()
    try:
        with pytest.raises(csv.Error, match="a row is longer than 1,048,576 characters"):
            CsvReader(path)
        assert tracemalloc.get_traced_memory()[1] < 30 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_a_quoted_field_that_never_ends_is_refused() -> None:
    with pytest.raises(csv.Error, match="field larger than field limit"):
        read('a\n"' + "x\n" * MAX_ROW_LENGTH)


def test_the_longest_rows_are_read_in_chunks_of_a_few() -> None:
    row = ("x" * 2**16 + ",") * 16
    row = row[: MAX_ROW_LENGTH - 1] + "\n"
    number = 2 * CHUNK_LENGTH // MAX_ROW_LENGTH + 1
    rows = read_rows(io.StringIO(row * number, newline=""))
    chunks = iter(lambda: len(next_rows(rows, 1_000_000)), 0)
    assert list(chunks) == [number // 2, number // 2, 1]
    short = read_rows(io.StringIO("1,2\n" * 5, newline=""))
    assert [len(next_rows(short, 3)) for _ in range(3)] == [3, 2, 0]

"""Read the rows of a CSV file in bounded memory."""

import csv
from collections.abc import Iterator
from functools import partial
from typing import TextIO

MAX_ROW_LENGTH = 2**20  # characters in a row; the csv module allows 2**17 in a field
CHUNK_LENGTH = 2**24  # a chunk ends with the row that reaches this number of characters

Rows = Iterator[tuple[int, list[str]]]  # the length of each row in characters, and its fields


def read_rows(lines: TextIO) -> Rows:
    """Yield the length in characters and the fields of each row.

    Raises:
        csv.Error: a row is longer than `MAX_ROW_LENGTH`; no more than that is read of it.
    """
    length = 0

    def limited_lines() -> Iterator[str]:
        nonlocal length
        for line in iter(partial(lines.readline, MAX_ROW_LENGTH + 1), ""):
            length += len(line)
            if length > MAX_ROW_LENGTH:
                raise csv.Error(f"a row is longer than {MAX_ROW_LENGTH:,} characters")
            yield line

    for fields in csv.reader(limited_lines(), strict=True):
        if fields:  # a blank line is not a row
            yield length, fields
        length = 0


def next_rows(rows: Rows, limit: int) -> list[list[str]]:
    """Return up to `limit` rows, fewer if they are long, and none at the end."""
    chunk: list[list[str]] = []
    remaining = CHUNK_LENGTH
    while remaining > 0 and len(chunk) < limit and (row := next(rows, None)):
        length, fields = row
        remaining -= length
        chunk.append(fields)
    return chunk

"""The rows of a CSV file, in bounded memory."""

import csv
from collections.abc import Iterator
from functools import partial
from typing import TextIO

MAX_ROW_LENGTH = 2**20  # characters of a row; the csv module itself allows 2**17 in a field
CHUNK_LENGTH = 2**24  # characters of the rows that are in memory at once, beside a last one

Rows = Iterator[tuple[int, list[str]]]  # the number of characters that a row takes; its fields


def read_rows(lines: TextIO) -> Rows:
    """The rows of a CSV file, with the number of characters that each takes.

    Raises:
        csv.Error: a row is longer than `MAX_ROW_LENGTH`, of which no more is kept in memory.
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
        if fields:  # a blank line is no row
            yield length, fields
        length = 0


def next_rows(rows: Rows, most: int) -> list[list[str]]:
    """The next rows: at most so many, and fewer if they are long; none at the end."""
    chunk: list[list[str]] = []
    room = CHUNK_LENGTH
    while room > 0 and len(chunk) < most and (row := next(rows, None)):
        length, fields = row
        room -= length
        chunk.append(fields)
    return chunk

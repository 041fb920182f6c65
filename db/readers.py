"""Read source files, Parquet or CSV, as checked record batches in bounded memory."""

import csv
import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Column

from cli import UserError, one_line
from db.csv_rows import Rows, next_rows, read_rows
from db.table_specs import ROW_NUMBER, Source, describe_type
from db.validation import RejectedRow, can_hold, check_batch, content_keys

BATCH_ROWS = 20_000
READ_ERRORS = (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError)

Batches = Iterator[tuple[pa.Table, list[RejectedRow]]]


class SourceError(UserError):
    """The source folder or one of its files cannot be loaded."""


class ParquetReader:
    """Reads the columns and rows of a Parquet file."""

    format_name = "Parquet file"

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(
            path,
            pre_buffer=False,  # otherwise all that was read stays in memory
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",  # nanoseconds overflow after 2262
        )
        self.row_count = self._file.metadata.num_rows
        self.schema = self._file.schema_arrow

    def batches(self, names: Sequence[str]) -> Batches:
        first = 1
        for batch in self._file.iter_batches(BATCH_ROWS, columns=list(names)):
            numbers = pa.array(range(first, first + batch.num_rows))
            yield pa.Table.from_batches([batch]).append_column(ROW_NUMBER, numbers), []
            first += batch.num_rows


class CsvReader:
    """Reads the columns and rows of a CSV file as text; an empty field is a null.

    The file is UTF-8 with commas and a header. Opening it reads it once, to check that it is
    complete and to count its rows.
    """

    format_name = "CSV file in UTF-8"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, ...] = ()
        with self._rows() as rows:
            _, self._header = next(rows, (0, []))
            self.row_count = sum(1 for _ in rows)
        self.schema = pa.schema([(name, pa.string()) for name in self._header])

    def batches(self, names: Sequence[str]) -> Batches:
        width, positions = len(self._header), [self._header.index(name) for name in names]
        with self._rows() as rows:
            next(rows)
            first = 1
            while chunk := next_rows(rows, BATCH_ROWS):
                numbered = list(enumerate(chunk, first))
                complete = [(number, fields) for number, fields in numbered if len(fields) == width]
                columns = {
                    name: pa.array([fields[i] or None for _, fields in complete], pa.string())
                    for name, i in zip(names, positions, strict=True)
                }
                columns[ROW_NUMBER] = pa.array([number for number, _ in complete], pa.int64())
                rejected = [
                    RejectedRow(n, f"has {len(f)} fields instead of {width}", {"fields": f})
                    for n, f in numbered
                    if len(f) != width
                ]
                yield pa.table(columns), rejected
                first += len(chunk)

    @contextmanager
    def _rows(self) -> Iterator[Rows]:
        open_text = gzip.open if self._path.suffix == ".gz" else open
        with open_text(self._path, "rt", encoding="utf-8-sig", newline="") as lines:
            status = os.fstat(lines.fileno())
            state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if self._state not in ((), state):
                raise csv.Error("it was replaced or changed after it was opened")
            self._state = state
            yield read_rows(lines)


READERS: dict[str, type[ParquetReader] | type[CsvReader]] = {
    ".parquet.gzip": ParquetReader,
    ".parquet": ParquetReader,
    ".csv.gz": CsvReader,
    ".csv": CsvReader,
}


@dataclass(frozen=True)
class SourceFile:
    """An open source file whose columns match its table."""

    source: Source
    name: str
    content: ParquetReader | CsvReader

    @property
    def row_count(self) -> int:
        return self.content.row_count

    @property
    def columns(self) -> list[Column[Any]]:
        """The columns of the table that this file fills, starting with a content key."""
        key = self.source.content_key
        return [*([] if key is None else [key]), *self._file_columns]

    @property
    def _file_columns(self) -> list[Column[Any]]:
        return columns_in_file(self.source, self.content.schema.names)

    def batches(self) -> Batches:
        """Yield valid rows in the table's types, with `row_number`, and the rejected rows.

        Raises:
            SourceError: the content of the file is damaged.
        """
        key, columns = self.source.content_key, self._file_columns
        for batch, malformed in self._read([column.name for column in columns]):
            valid, rejected = check_batch(batch, columns)
            if key is not None:
                hashes = content_keys(valid, key.info["content_of"])
                valid = valid.append_column(key.name, hashes)
            yield valid, [*malformed, *rejected]

    def _read(self, names: Sequence[str]) -> Batches:
        count = 0
        try:
            for batch, malformed in self.content.batches(names):
                yield batch, malformed
                count += batch.num_rows + len(malformed)
            if count != self.row_count:
                raise EOFError(f"it has {self.row_count:,} rows, but {count:,} could be read")
        except READ_ERRORS as error:
            raise SourceError(
                f"{self.name} is damaged after row {count:,} ({_reason(error)}): "
                "nothing was loaded; get a new copy of the file."
            ) from error


def open_sources(path: Path, sources: Sequence[Source]) -> list[SourceFile]:
    """Open every file of a source folder; `path` may be the file itself if there is one source.

    Raises:
        SourceError: files are missing, unreadable or empty, or lack columns; the message lists
            all errors in all files.
    """
    files, errors = [], []
    for source, file_path in zip(sources, _find_files(path, sources), strict=True):
        reader = next(r for suffix, r in READERS.items() if file_path.name.endswith(suffix))
        try:
            file = SourceFile(source, file_path.name, reader(file_path))
        except READ_ERRORS as error:
            name = reader.format_name
            errors.append(f"{file_path.name} is not a complete {name} ({_reason(error)})")
            continue
        files.append(file)
        is_text = reader is CsvReader
        errors += find_column_errors(source, file.name, file.content.schema, is_text=is_text)
        if file.row_count == 0:
            errors.append(f"{file.name} has no rows")
    if errors:
        raise SourceError(f"Nothing was loaded from {path}: {'; '.join(errors)}.")
    return files


def _find_files(folder: Path, sources: Sequence[Source]) -> list[Path]:
    """Return the path of each source's file."""
    *suffixes, last = READERS
    names = ", ".join(source.file for source in sources)
    expected = f"{names} (as {', '.join(suffixes)} or {last})"
    if folder.is_file():
        if len(sources) == 1 and folder.name.endswith(tuple(READERS)):
            return [folder]
        raise SourceError(f"{folder} is a file: give the folder that contains {expected}.")
    if not folder.is_dir():
        raise SourceError(f"There is no folder {folder}: give one that contains {expected}.")
    paths = {
        source.file: [p for s in READERS if (p := folder / f"{source.file}{s}").is_file()]
        for source in sources
    }
    if missing := [name for name, matches in paths.items() if not matches]:
        raise SourceError(
            f"{folder} does not contain {', '.join(missing)}: give a folder with {expected}."
        )
    for matches in paths.values():
        if len(matches) > 1:
            both = " and ".join(match.name for match in matches)
            raise SourceError(f"{folder} contains {both}: keep only the file to load.")
    return [match for (match,) in paths.values()]


def _reason(error: Exception) -> str:
    return one_line(str(error)) or "no reason given"


def find_column_errors(source: Source, file: str, schema: pa.Schema, *, is_text: bool) -> list[str]:
    """List how the columns of a file differ from its table; `is_text`: all columns are text."""
    columns = source.columns
    required = [column for column in columns if not column.info.get("optional")]
    if not any(column.name in schema.names for column in columns):
        # If a CSV file has no header, its first line is data: never show it in a message.
        hint = ": the first line must contain the column names, separated by commas"
        names = ", ".join(column.name for column in required)
        return [f"{file} has no column {names}{hint if is_text else ''}"]
    errors = []
    for column in columns:
        rule = f"column {column.name} of {file} must be {describe_type(column)}"
        if column.name not in schema.names:
            if column in required:
                errors.append(f"{rule}, but is missing")
        elif schema.names.count(column.name) > 1:
            errors.append(f"{rule}, but occurs more than once")
        elif not is_text:
            file_type = schema.field(column.name).type
            if not can_hold(file_type, describe_type(column)):
                errors.append(f"{rule}, but is {file_type}")
    return errors


def columns_in_file(source: Source, names: Sequence[str]) -> list[Column[Any]]:
    """Return the columns of the table that a file with these column names fills."""
    return [c for c in source.columns if c.name in names or not c.info.get("optional")]

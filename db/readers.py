"""Source files, Parquet or CSV, as streams of checked record batches, in bounded memory."""

import csv
import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Column

from cli import UserError
from db.csv_rows import Rows, next_rows, read_rows
from db.table_specs import ROW_NUMBER, Source, describe_type
from db.validation import RejectedRow, can_hold, check_batch, content_keys

BATCH_ROWS = 20_000
READ_ERRORS = (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError)

Batches = Iterator[tuple[pa.Table, list[RejectedRow]]]


class SourceError(UserError):
    """The source folder or one of its files cannot be loaded."""


class ParquetReader:
    """A Parquet file's columns and rows."""

    kind = "parquet file"

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(
            path,
            pre_buffer=False,  # else it keeps all that it has read
            page_checksum_verification=True,
            coerce_int96_timestamp_unit="us",  # in nanoseconds, the years after 2262 wrap around
        )
        self.rows = self._file.metadata.num_rows
        self.schema = self._file.schema_arrow

    def batches(self, names: Sequence[str]) -> Batches:
        first = 1
        for batch in self._file.iter_batches(BATCH_ROWS, columns=list(names)):
            numbers = pa.array(range(first, first + batch.num_rows))
            yield pa.Table.from_batches([batch]).append_column(ROW_NUMBER, numbers), []
            first += batch.num_rows


class CsvReader:
    """A CSV file's columns and rows, all of them text; an empty field is a null.

    UTF-8, commas, a first line with the columns' names. It is read once when opened, to know that
    it is whole and how many rows it has.
    """

    kind = "CSV file in UTF-8"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, ...] = ()
        with self._rows() as rows:
            _, self._header = next(rows, (0, []))
            self.rows = sum(1 for _ in rows)
        self.schema = pa.schema([(name, pa.string()) for name in self._header])

    def batches(self, names: Sequence[str]) -> Batches:
        width, positions = len(self._header), [self._header.index(name) for name in names]
        with self._rows() as rows:
            next(rows)
            first = 1
            while chunk := next_rows(rows, BATCH_ROWS):
                numbered = list(enumerate(chunk, first))
                whole = [(number, fields) for number, fields in numbered if len(fields) == width]
                columns = {
                    name: pa.array([fields[at] or None for _, fields in whole], pa.string())
                    for name, at in zip(names, positions, strict=True)
                }
                columns[ROW_NUMBER] = pa.array([number for number, _ in whole], pa.int64())
                broken = [
                    RejectedRow(n, f"has {len(f)} fields instead of {width}", {"fields": f})
                    for n, f in numbered
                    if len(f) != width
                ]
                yield pa.table(columns), broken
                first += len(chunk)

    @contextmanager
    def _rows(self) -> Iterator[Rows]:
        opened = gzip.open if self._path.suffix == ".gz" else open
        with opened(self._path, "rt", encoding="utf-8-sig", newline="") as lines:
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
    """An opened source file whose columns were checked against its table."""

    source: Source
    name: str
    content: ParquetReader | CsvReader

    @property
    def row_count(self) -> int:
        return self.content.rows

    @property
    def columns(self) -> list[Column]:
        """The columns of the table that this file fills, a key made of its content first."""
        key = self.source.content_key
        return [*([] if key is None else [key]), *self._read]

    @property
    def _read(self) -> list[Column]:
        return columns_in_file(self.source, self.content.schema.names)

    def batches(self) -> Batches:
        """The good rows in the table's types, with `row_number`, and the bad ones, in turn.

        Raises:
            SourceError: the file's contents are damaged.
        """
        key = self.source.content_key
        for batch, broken in self._whole(self.content.batches([c.name for c in self._read])):
            good, rejected = check_batch(batch, self._read)
            if key is not None:
                hashes = content_keys(good, key.info["content_of"])
                good = good.append_column(key.name, hashes)
            yield good, [*broken, *rejected]

    def _whole(self, batches: Batches) -> Batches:
        done = 0
        try:
            for batch, broken in batches:
                yield batch, broken
                done += batch.num_rows + len(broken)
            if done != self.row_count:
                raise EOFError(f"it has {self.row_count:,} rows, but {done:,} could be read")
        except READ_ERRORS as error:
            raise SourceError(
                f"{self.name} is damaged after row {done:,} ({_reason(error)}): "
                "nothing was loaded; fetch the file again."
            ) from error


def open_sources(given: Path, sources: Sequence[Source]) -> list[SourceFile]:
    """Open every file of a source folder; a problem's only file may be given itself.

    Raises:
        SourceError: files are missing, unreadable, empty, or lack columns; all that is wrong in
            any of them is named at once, with what was expected and what was found.
    """
    opened, faults = [], []
    for source, path in zip(sources, _paths(given, sources), strict=True):
        read = _format(path)
        try:
            file = SourceFile(source, path.name, read(path))
        except READ_ERRORS as error:
            faults.append(f"{path.name} is not a whole {read.kind} ({_reason(error)})")
            continue
        opened.append(file)
        faults += find_column_errors(source, file.name, file.content.schema, text=read is CsvReader)
        if file.row_count == 0:
            faults.append(f"{file.name} has no rows")
    if faults:
        raise SourceError(f"Nothing was loaded from {given}: {'; '.join(faults)}.")
    return opened


def _paths(given: Path, sources: Sequence[Source]) -> list[Path]:
    """Where each source lies, in the folder that was given."""
    endings = " or ".join([", ".join(list(READERS)[:-1]), list(READERS)[-1]])
    wanted = f"{', '.join(source.file for source in sources)} (as {endings})"
    if given.is_file():
        if len(sources) == 1 and given.name.endswith(tuple(READERS)):
            return [given]
        raise SourceError(f"{given} is a file: give the folder that holds {wanted}.")
    if not given.is_dir():
        raise SourceError(f"There is no folder {given}: give one that holds {wanted}.")
    found = {
        source.file: [p for e in READERS if (p := given / f"{source.file}{e}").is_file()]
        for source in sources
    }
    if missing := [file for file, paths in found.items() if not paths]:
        raise SourceError(f"{given} lacks {', '.join(missing)}: give a folder with {wanted}.")
    for paths in found.values():
        if len(paths) > 1:
            both = " and ".join(path.name for path in paths)
            raise SourceError(f"{given} holds {both}: keep the one that is to be loaded.")
    return [path for (path,) in found.values()]


def _format(path: Path) -> type[ParquetReader] | type[CsvReader]:
    return next(read for ending, read in READERS.items() if path.name.endswith(ending))


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else "no reason given"


def find_column_errors(source: Source, file: str, schema: pa.Schema, *, text: bool) -> list[str]:
    """What is wrong with a file's columns, if it is to fill this table; `text`: all are text."""
    columns = source.columns
    required = [column for column in columns if not column.info.get("optional")]
    if not any(column.name in schema.names for column in columns):
        # a CSV file without a header would show somebody's row here, so what it has is not said
        header = ": its first line must be the columns' names, separated by commas"
        names = ", ".join(column.name for column in required)
        return [f"{file} has no column {names}{header if text else ''}"]
    faults = []
    for column in columns:
        where = f"column {column.name} of {file} must be {describe_type(column)}"
        if column.name not in schema.names:
            if column in required:
                faults.append(f"{where}, but is missing")
        elif schema.names.count(column.name) > 1:
            faults.append(f"{where}, but is there more than once")
        elif not text:
            found = schema.field(column.name).type
            if not can_hold(found, describe_type(column)):
                faults.append(f"{where}, but is {found}")
    return faults


def columns_in_file(source: Source, names: Sequence[str]) -> list[Column]:
    """The columns of a table that a file with columns of these names brings."""
    return [c for c in source.columns if c.name in names or not c.info.get("optional")]

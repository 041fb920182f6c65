"""Source files as streams of checked record batches, in bounded memory."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Column, DateTime, Double, Integer, String, Table

from console import UserError
from db.tables import Source

BATCH_ROWS = 20_000
LARGEST_EXACT_INTEGER = 2.0**53  # beyond it a double no longer tells whole numbers apart


class SourceError(UserError):
    """The source folder or one of its files cannot be loaded."""


@dataclass(frozen=True)
class Rejected:
    """A row that is set aside: its number in the file (from 1), why, and what it held."""

    row_number: int
    reason: str
    values: dict[str, Any]


@dataclass(frozen=True)
class SourceFile:
    """An opened source file whose columns were checked against its table."""

    source: Source
    parquet: pq.ParquetFile

    @property
    def rows(self) -> int:
        return self.parquet.metadata.num_rows

    def batches(self) -> Iterator[tuple[pa.Table, list[Rejected]]]:
        """The good rows in the table's types, with `row_number`, and the bad ones, in turn.

        Raises:
            SourceError: the file's contents are damaged.
        """
        columns = columns_of(self.source.table)
        first = 1
        try:
            for batch in self.parquet.iter_batches(BATCH_ROWS, columns=[c.name for c in columns]):
                yield _checked(pa.Table.from_batches([batch]), columns, first)
                first += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise SourceError(
                f"{self.source.file} is damaged after row {first - 1:,} ({_reason(error)}): "
                "nothing was loaded; fetch the file again."
            ) from error


def columns_of(table: Table) -> list[Column]:
    """The columns that a source file brings; the load's number is ours."""
    return [column for column in table.columns if column.name != "load_id"]


def open_sources(folder: Path, sources: Sequence[Source]) -> list[SourceFile]:
    """Open every file of a source folder.

    Raises:
        SourceError: files are missing, unreadable, empty, or lack columns; all that is wrong in
            any of them is named at once, with what was expected and what was found.
    """
    if folder.is_file():
        raise SourceError(f"{folder} is a file: give the folder that holds {_files(sources)}.")
    if not folder.is_dir():
        raise SourceError(f"There is no folder {folder}: give one that holds {_files(sources)}.")
    if missing := [s for s in sources if not (folder / s.file).is_file()]:
        raise SourceError(
            f"{folder} lacks {_files(missing)}: give a folder with {_files(sources)}."
        )
    opened, faults = [], []
    for source in sources:
        try:
            file = SourceFile(source, pq.ParquetFile(folder / source.file))
        except (pa.ArrowException, OSError) as error:
            faults.append(f"{source.file} is not a whole parquet file ({_reason(error)})")
            continue
        opened.append(file)
        faults += _column_faults(file)
        if file.rows == 0:
            faults.append(f"{source.file} has no rows")
    if faults:
        raise SourceError(f"Nothing was loaded from {folder}: {'; '.join(faults)}.")
    return opened


def _files(sources: Sequence[Source]) -> str:
    return ", ".join(source.file for source in sources)


def _reason(error: Exception) -> str:
    return (
        str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else "no reason given"
    )


def _column_faults(file: SourceFile) -> list[str]:
    schema = file.parquet.schema_arrow
    faults = []
    for column in columns_of(file.source.table):
        expected = _kind(column)
        where = f"column {column.name} of {file.source.file} must be {expected}"
        if column.name not in schema.names:
            faults.append(f"{where}, but is missing")
        elif schema.names.count(column.name) > 1:
            faults.append(f"{where}, but is there more than once")
        elif not _fits(schema.field(column.name).type, expected):
            faults.append(f"{where}, but is {schema.field(column.name).type}")
    return faults


def _kind(column: Column) -> str:
    kinds = ((Double, "a number"), (Integer, "a whole number"), (String, "text"))
    for kind, words in kinds:
        if isinstance(column.type, kind):
            return words
    if isinstance(column.type, DateTime):
        return "a timestamp"
    raise TypeError(f"{column}: a source column is Double, BigInteger, String or DateTime")


def _fits(found: pa.DataType, expected: str) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    number = pa.types.is_integer(found) or pa.types.is_floating(found)
    fits = {
        "a number": number or pa.types.is_decimal(found),
        # pandas writes whole numbers with a null among them as doubles
        "a whole number": number,
        "text": pa.types.is_string(found) or pa.types.is_large_string(found),
        "a timestamp": pa.types.is_timestamp(found),
    }
    return fits[expected] or pa.types.is_null(found)


def _checked(
    batch: pa.Table, columns: Sequence[Column], first: int
) -> tuple[pa.Table, list[Rejected]]:
    """Split a batch into good rows in the table's types and rejected ones with reasons."""
    reasons = pa.nulls(batch.num_rows, pa.string())
    arrays = []
    for column in columns:
        found = batch[column.name].combine_chunks()
        array, faults = _typed(found, column)
        for reason, at in faults:
            reasons = pc.if_else(pc.and_(pc.is_null(reasons), at), reason, reasons)
        arrays.append(array)
    numbers = pa.array(range(first, first + batch.num_rows))
    good = pc.is_null(reasons)
    table = pa.table([*arrays, numbers], names=[*(c.name for c in columns), "row_number"])
    rejected = [
        Rejected(first + i, reasons[i].as_py(), storable(batch.slice(i, 1).to_pylist()[0]))
        for i in pc.indices_nonzero(pc.invert(good)).to_pylist()
    ]
    return table.filter(good), rejected


def _typed(found: pa.Array, column: Column) -> tuple[pa.Array, list[tuple[str, pa.Array]]]:
    """A column in its table's type, and masks of the cells that are wrong."""
    kind, name = _kind(column), column.name
    faults: list[tuple[str, pa.Array]] = []
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    if pa.types.is_floating(found.type):
        found = pc.if_else(pc.is_nan(found), None, found)  # pandas' other way to say null
    if kind == "a number":
        array = found.cast(pa.float64())
        faults.append((f"{name} is infinite", _true(pc.is_inf(array))))
        minimum = column.info.get("minimum")
        if minimum is not None:
            below = f"{name} is negative" if minimum == 0 else f"{name} is below {minimum}"
            faults.append((below, _true(pc.less(array, float(minimum)))))
    elif kind == "a whole number":
        array = found.cast(pa.int64(), safe=False)
        if pa.types.is_floating(found.type):
            inexact = pc.or_(
                pc.not_equal(pc.trunc(found), found),
                pc.greater(pc.abs(found), LARGEST_EXACT_INTEGER),
            )
            faults.append((f"{name} is not a whole number", _true(inexact)))
        if pa.types.is_uint64(found.type):
            most = pa.scalar(2**63 - 1, pa.uint64())
            faults.append((f"{name} is too large", _true(pc.greater(found, most))))
    elif kind == "text":
        array = found.cast(pa.string())
        # PostgreSQL cannot keep it, and no honest text has it
        faults.append((f"{name} holds a NUL byte", _true(pc.match_substring(array, "\0"))))
    else:
        zoned = pa.types.is_timestamp(found.type) and found.type.tz
        array = found.cast(pa.timestamp("us", tz="UTC" if zoned else None), safe=False)
        array = array.cast(pa.timestamp("us"))
    if not column.nullable:
        faults.append((f"{name} is null", pc.is_null(array)))
    return array, faults


def _true(mask: pa.Array) -> pa.Array:
    return pc.fill_null(mask, False)


def storable(values: dict[str, Any]) -> dict[str, Any]:
    """A row's values as JSON can keep them: what it has no word for becomes text."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return value

    return json.loads(json.dumps({k: plain(v) for k, v in values.items()}, default=str))

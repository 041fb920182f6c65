"""Validate the cells of a source file and convert them to the types of its table."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Column

from db.table_specs import HASH_LENGTH, ROW_NUMBER, describe_type
from db.text_cells import FIRST_INEXACT_INTEGER, parse_cells

# how pandas, R and databases write a missing number into text files
NULL_TEXTS = pa.array(["na", "nan", "n/a", "null", "none"])

UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# the years 1 to 9999, which Python and the databases support, in seconds since 1970
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799

Errors = list[tuple[str, pa.Array]]  # a reason, and a mask of the cells that it applies to


@dataclass(frozen=True)
class RejectedRow:
    """A row that cannot be loaded: its number in the file (from 1), the reason and its values."""

    row_number: int
    reason: str
    values: dict[str, Any]


def can_hold(file_type: pa.DataType, expected: str) -> bool:
    """Return whether a column of this type in a typed file can hold the expected values."""
    if pa.types.is_dictionary(file_type):
        file_type = file_type.value_type
    is_number = pa.types.is_integer(file_type) or pa.types.is_floating(file_type)
    matches = {
        "a number": is_number or pa.types.is_decimal(file_type),
        # pandas writes whole numbers with nulls as doubles
        "a whole number": is_number or pa.types.is_boolean(file_type),
        "text": pa.types.is_string(file_type) or pa.types.is_large_string(file_type),
        "a timestamp": pa.types.is_timestamp(file_type),
    }
    return bool(matches[expected] or pa.types.is_null(file_type))


def check_batch(
    batch: pa.Table, columns: Sequence[Column[Any]]
) -> tuple[pa.Table, list[RejectedRow]]:
    """Split a batch into valid rows in the table's types and rejected rows with their reasons."""
    reasons = pa.nulls(batch.num_rows, pa.string())
    arrays = []
    for column in columns:
        array, errors = _convert(batch[column.name].combine_chunks(), column)
        for reason, mask in errors:
            reasons = pc.if_else(pc.and_(pc.is_null(reasons), mask), reason, reasons)
        arrays.append(array)
    names = [*(column.name for column in columns), ROW_NUMBER]
    table = pa.table([*arrays, batch[ROW_NUMBER]], names=names)
    is_valid = pc.is_null(reasons)
    rejected = []
    for i in pc.indices_nonzero(pc.invert(is_valid)).to_pylist():
        values = {name: _to_python(batch[name][i]) for name in batch.column_names}
        number = values.pop(ROW_NUMBER)
        rejected.append(RejectedRow(number, reasons[i].as_py(), to_json_values(values)))
    return table.filter(is_valid), rejected


def content_keys(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """Hash the values of these columns in each row, independently of the file's format."""
    return pa.array(
        hashlib.blake2b(
            json.dumps(values, default=str).encode(), digest_size=HASH_LENGTH // 2
        ).hexdigest()
        for values in zip(*(rows[name].to_pylist() for name in names), strict=True)
    )


def to_json_values(row: dict[str, Any]) -> dict[str, Any]:
    """Convert the values of a row that JSON does not support to text."""

    def finite(value: Any) -> Any:
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value

    text = json.dumps({name: finite(value) for name, value in row.items()}, default=str)
    values: dict[str, Any] = json.loads(text)
    return values


def _to_python(cell: pa.Scalar) -> Any:
    """Return the value of a cell, or a description if Python cannot represent it."""
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        cell = cell.value if isinstance(cell, pa.DictionaryScalar) else cell
        return bytes(cell.as_buffer()).decode(errors="replace")
    except (ValueError, OverflowError, KeyError):  # the year or the time zone does not exist
        return f"{cell.value} {cell.type.unit} since 1970"


def _convert(cells: pa.Array, column: Column[Any]) -> tuple[pa.Array, Errors]:
    """Convert cells to the type of the column, and find those that are invalid."""
    expected, name = describe_type(column), column.name
    errors: Errors = []
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_string(cells.type) and expected != "text":
        cells = pc.if_else(_is_true(pc.is_in(pc.utf8_lower(cells), NULL_TEXTS)), None, cells)
        values = parse_cells(cells, expected)
        is_unparsed = pc.and_(pc.is_null(values), pc.is_valid(cells))
        errors.append((f"{name} is not {expected}", is_unparsed))
        cells = values
    if pa.types.is_floating(cells.type):
        cells = cells.cast(pa.float64())  # some functions do not support half precision
        cells = pc.if_else(pc.is_nan(cells), None, cells)  # pandas writes nulls as NaN
    convert = {
        "a number": _to_numbers,
        "a whole number": _to_whole_numbers,
        "text": _to_texts,
        "a timestamp": _to_timestamps,
    }
    array, type_errors = convert[expected](cells, column)
    errors += type_errors
    if not column.nullable:
        errors.append((f"{name} is null", pc.is_null(array)))
    return array, errors


def _to_numbers(cells: pa.Array, column: Column[Any]) -> tuple[pa.Array, Errors]:
    array = cells.cast(pa.float64(), safe=False)  # rounds whole numbers beyond 2^53
    infinite = (f"{column.name} is infinite", _is_true(pc.is_inf(array)))
    return array, [infinite, *_bound_errors(array, column)]


def _to_whole_numbers(cells: pa.Array, column: Column[Any]) -> tuple[pa.Array, Errors]:
    array, errors = cells.cast(pa.int64(), safe=False), []
    if pa.types.is_floating(cells.type):
        is_inexact = pc.or_(
            pc.not_equal(pc.trunc(cells), cells),
            pc.greater_equal(pc.abs(cells), FIRST_INEXACT_INTEGER),
        )
        errors.append((f"{column.name} is not a whole number", _is_true(is_inexact)))
    if pa.types.is_uint64(cells.type):
        maximum = pa.scalar(2**63 - 1, pa.uint64())
        errors.append((f"{column.name} is too large", _is_true(pc.greater(cells, maximum))))
    return array, errors + _bound_errors(array, column)


def _to_texts(cells: pa.Array, column: Column[Any]) -> tuple[pa.Array, Errors]:
    is_invalid = _is_not_utf8(cells)
    array = pc.if_else(is_invalid, None, cells).cast(pa.string())
    has_nul = _is_true(pc.match_substring(array, "\0"))  # PostgreSQL cannot store NUL bytes
    return array, [
        (f"{column.name} is not UTF-8", is_invalid),
        (f"{column.name} holds a NUL byte", has_nul),
    ]


def _is_not_utf8(texts: pa.Array) -> pa.Array:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        cells = texts.cast(pa.large_binary()).to_pylist()
        valid = [cell and cell.decode(errors="ignore").encode() for cell in cells]
        return pa.array([cell != text for cell, text in zip(cells, valid, strict=True)])
    return pa.repeat(pa.scalar(False), len(texts))


def _to_timestamps(cells: pa.Array, column: Column[Any]) -> tuple[pa.Array, Errors]:
    if pa.types.is_null(cells.type):
        cells = cells.cast(pa.timestamp("us"))
    units = UNITS_PER_SECOND[cells.type.unit]
    first = max(FIRST_SECOND * units, -(2**63))  # 64 bits of nanoseconds span fewer years
    last = min((LAST_SECOND + 1) * units - 1, 2**63 - 1)
    counts = cells.cast(pa.int64())
    is_outside = _is_true(pc.or_(pc.less(counts, first), pc.greater(counts, last)))
    zone = "UTC" if cells.type.tz else None
    array = pc.if_else(is_outside, None, cells).cast(pa.timestamp("us", zone), safe=False)
    errors = [(f"{column.name} is not in the years 1 to 9999", is_outside)]
    return array.cast(pa.timestamp("us")), errors


def _bound_errors(array: pa.Array, column: Column[Any]) -> Errors:
    minimum, maximum = column.info.get("minimum"), column.info.get("maximum")
    errors: Errors = []
    if minimum is not None:
        reason = "is negative" if minimum == 0 else f"is below {minimum}"
        errors.append((f"{column.name} {reason}", _is_true(pc.less(array, minimum))))
    if maximum is not None:
        errors.append((f"{column.name} is above {maximum}", _is_true(pc.greater(array, maximum))))
    return errors


def _is_true(mask: pa.Array) -> pa.Array:
    return pc.fill_null(mask, False)

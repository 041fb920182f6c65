"""Check the cells of a source file against its table, and bring them into the table's types."""

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

# a missing number, as pandas, R and databases write it into text files
MISSING = pa.array(["na", "nan", "n/a", "null", "none"])

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # of a timestamp, in a second
# of the years that Python and the databases have, since 1970
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799

Faults = list[tuple[str, pa.Array]]  # a reason, and a mask of the cells that it is true of


@dataclass(frozen=True)
class RejectedRow:
    """A row that is set aside: its number in the file (from 1), why, and what it held."""

    row_number: int
    reason: str
    values: dict[str, Any]


def can_hold(found: pa.DataType, expected: str) -> bool:
    """Can a typed file's column hold what is expected of it."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    number = pa.types.is_integer(found) or pa.types.is_floating(found)
    fitting = {
        "a number": number or pa.types.is_decimal(found),
        # pandas writes whole numbers with a null among them as doubles
        "a whole number": number or pa.types.is_boolean(found),
        "text": pa.types.is_string(found) or pa.types.is_large_string(found),
        "a timestamp": pa.types.is_timestamp(found),
    }
    return fitting[expected] or pa.types.is_null(found)


def check_batch(batch: pa.Table, columns: Sequence[Column]) -> tuple[pa.Table, list[RejectedRow]]:
    """Split a batch into good rows in the table's types and rejected ones with reasons."""
    reasons = pa.nulls(batch.num_rows, pa.string())
    arrays = []
    for column in columns:
        array, faults = _typed(batch[column.name].combine_chunks(), column)
        for reason, at in faults:
            reasons = pc.if_else(pc.and_(pc.is_null(reasons), at), reason, reasons)
        arrays.append(array)
    names = [*(column.name for column in columns), ROW_NUMBER]
    table = pa.table([*arrays, batch[ROW_NUMBER]], names=names)
    good = pc.is_null(reasons)
    rejected = []
    for i in pc.indices_nonzero(pc.invert(good)).to_pylist():
        values = {name: _shown(batch[name][i]) for name in batch.column_names}
        rejected.append(
            RejectedRow(values.pop(ROW_NUMBER), reasons[i].as_py(), to_json_values(values))
        )
    return table.filter(good), rejected


def content_keys(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """A hash of each row's values in these columns, the same from a file of any format."""
    return pa.array(
        hashlib.blake2b(
            json.dumps(values, default=str).encode(), digest_size=HASH_LENGTH // 2
        ).hexdigest()
        for values in zip(*(rows[name].to_pylist() for name in names), strict=True)
    )


def to_json_values(values: dict[str, Any]) -> dict[str, Any]:
    """A row's values as JSON can keep them: what it has no word for becomes text."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return value

    return json.loads(json.dumps({k: plain(v) for k, v in values.items()}, default=str))


def _shown(cell: pa.Scalar) -> Any:
    """A cell of a rejected row, as text if Python has no value for it."""
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        cell = cell.value if isinstance(cell, pa.DictionaryScalar) else cell
        return bytes(cell.as_buffer()).decode(errors="replace")
    except (ValueError, OverflowError, KeyError):  # a time outside Python's years, or no such zone
        return f"{cell.value} {cell.type.unit} since 1970"


def _typed(found: pa.Array, column: Column) -> tuple[pa.Array, Faults]:
    """A column in its table's type, and masks of the cells that are wrong."""
    expected, name = describe_type(column), column.name
    faults: Faults = []
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    if pa.types.is_string(found.type) and expected != "text":
        found = pc.if_else(_true(pc.is_in(pc.utf8_lower(found), MISSING)), None, found)
        values = parse_cells(found, expected)
        said_otherwise = pc.and_(pc.is_null(values), pc.is_valid(found))
        faults.append((f"{name} is not {expected}", said_otherwise))
        found = values
    if pa.types.is_floating(found.type):
        found = found.cast(pa.float64())  # some functions know no half precision
        found = pc.if_else(pc.is_nan(found), None, found)  # pandas' other way to say null
    convert = {
        "a number": _numbers,
        "a whole number": _whole_numbers,
        "text": _texts,
        "a timestamp": _timestamps,
    }
    array, more = convert[expected](found, column)
    faults += more
    if not column.nullable:
        faults.append((f"{name} is null", pc.is_null(array)))
    return array, faults


def _numbers(found: pa.Array, column: Column) -> tuple[pa.Array, Faults]:
    array = found.cast(pa.float64(), safe=False)  # beyond 2^53 whole numbers are rounded
    infinite = (f"{column.name} is infinite", _true(pc.is_inf(array)))
    return array, [infinite, *_out_of_bounds(array, column)]


def _whole_numbers(found: pa.Array, column: Column) -> tuple[pa.Array, Faults]:
    array, faults = found.cast(pa.int64(), safe=False), []
    if pa.types.is_floating(found.type):
        inexact = pc.or_(
            pc.not_equal(pc.trunc(found), found),
            pc.greater_equal(pc.abs(found), FIRST_INEXACT_INTEGER),
        )
        faults.append((f"{column.name} is not a whole number", _true(inexact)))
    if pa.types.is_uint64(found.type):
        most = pa.scalar(2**63 - 1, pa.uint64())
        faults.append((f"{column.name} is too large", _true(pc.greater(found, most))))
    return array, faults + _out_of_bounds(array, column)


def _texts(found: pa.Array, column: Column) -> tuple[pa.Array, Faults]:
    broken = _not_utf8(found)
    array = pc.if_else(broken, None, found).cast(pa.string())
    # PostgreSQL cannot keep it, and no honest text has it
    with_nul = _true(pc.match_substring(array, "\0"))
    return array, [
        (f"{column.name} is not UTF-8", broken),
        (f"{column.name} holds a NUL byte", with_nul),
    ]


def _not_utf8(texts: pa.Array) -> pa.Array:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raw = texts.cast(pa.large_binary())
        return pa.array([text is not None and not _is_utf8(text) for text in raw.to_pylist()])
    return pa.repeat(pa.scalar(False), len(texts))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _timestamps(found: pa.Array, column: Column) -> tuple[pa.Array, Faults]:
    if pa.types.is_null(found.type):
        found = found.cast(pa.timestamp("us"))
    per_second = UNITS[found.type.unit]
    first = max(FIRST_SECOND * per_second, -(2**63))  # nanoseconds do not reach so far
    last = min((LAST_SECOND + 1) * per_second - 1, 2**63 - 1)
    counts = found.cast(pa.int64())
    outside = _true(pc.or_(pc.less(counts, first), pc.greater(counts, last)))
    zone = "UTC" if found.type.tz else None
    array = pc.if_else(outside, None, found).cast(pa.timestamp("us", zone), safe=False)
    faults = [(f"{column.name} is not in the years 1 to 9999", outside)]
    return array.cast(pa.timestamp("us")), faults


def _out_of_bounds(array: pa.Array, column: Column) -> Faults:
    minimum, maximum = column.info.get("minimum"), column.info.get("maximum")
    faults: Faults = []
    if minimum is not None:
        below = "is negative" if minimum == 0 else f"is below {minimum}"
        faults.append((f"{column.name} {below}", _true(pc.less(array, minimum))))
    if maximum is not None:
        above = _true(pc.greater(array, maximum))
        faults.append((f"{column.name} is above {maximum}", above))
    return faults


def _true(mask: pa.Array) -> pa.Array:
    return pc.fill_null(mask, False)

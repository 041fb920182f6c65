"""Typed cells of Parquet files that Python or a database cannot represent."""

import math
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import BigInteger, Column, DateTime, Double, String

from db.table_specs import ROW_NUMBER
from db.validation import check_batch, to_json_values

TIME, TEXT, NUMBER = Column("x", DateTime), Column("x", String), Column("x", Double)
OUTSIDE = "x is not in the years 1 to 9999"
FIRST, LAST = -62_135_596_800, 253_402_300_799  # seconds of the years 1 to 9999
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}


def check(column: Column, cells: pa.Array) -> tuple[list[Any], list[tuple[str, Any]]]:
    """Return the valid values of a column, and the reasons and values of the rejected ones."""
    batch = pa.table({"x": cells, ROW_NUMBER: range(len(cells))})
    valid, rejected = check_batch(batch, [column])
    return valid["x"].to_pylist(), [(row.reason, row.values["x"]) for row in rejected]


@pytest.mark.parametrize("zone", [None, "UTC", "Mars/Olympus_Mons"])
@pytest.mark.parametrize("unit", PER_SECOND)
def test_a_timestamp_outside_the_years_1_to_9999_is_rejected(unit: str, zone: str | None) -> None:
    per_second = PER_SECOND[unit]
    outside = [FIRST * per_second - 1, (LAST + 1) * per_second, -(2**63), 2**63 - 1]
    inside = [FIRST * per_second, (LAST + 1) * per_second - 1, None]
    cells = pa.array([*outside, *inside], pa.int64()).cast(pa.timestamp(unit, zone))
    valid, rejected = check(TIME, cells)
    assert [str(value)[:4] for value in valid] == ["0001", "9999", "None"]
    assert [reason for reason, _ in rejected] == [OUTSIDE] * 4
    assert all(isinstance(shown, str) for _, shown in rejected)


def test_a_timestamp_that_would_overflow_to_another_year_is_rejected() -> None:
    cells = pa.array([18_446_744_075_266_952], pa.int64()).cast(pa.timestamp("s"))
    shown = "18446744075266952 s since 1970"  # a cast would overflow to 2020
    assert check(TIME, cells) == ([], [(OUTSIDE, shown)])


def test_all_timestamps_in_nanoseconds_are_in_range() -> None:
    cells = pa.array([-(2**63) + 1, 0, 2**63 - 1], pa.int64()).cast(pa.timestamp("ns"))
    valid, rejected = check(TIME, cells)
    assert ([value.year for value in valid], rejected) == ([1677, 1970, 2262], [])


@pytest.mark.parametrize("cell", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-01:00"])
def test_a_text_whose_offset_leads_out_of_range_is_rejected(cell: str) -> None:
    assert check(TIME, pa.array([cell])) == ([], [(OUTSIDE, cell)])


@pytest.mark.parametrize(
    "file_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_text_that_is_not_utf_8_is_rejected_and_its_valid_part_shown(
    file_type: pa.DataType,
) -> None:
    cells = pa.array([b"caf\xc3\xa9", b"caf\xe9", None, b"\xff\0", b"\xed\xa0\x80"])
    text = file_type.value_type if pa.types.is_dictionary(file_type) else file_type
    cells = cells.cast(pa.large_binary() if text == pa.large_string() else pa.binary()).view(text)
    valid, rejected = check(TEXT, cells.dictionary_encode() if text != file_type else cells)
    assert valid == ["café", None]
    assert {reason for reason, _ in rejected} == {"x is not UTF-8"}
    assert [shown for _, shown in rejected] == ["caf\ufffd", "\ufffd\0", "\ufffd\ufffd\ufffd"]


def test_a_row_rejected_for_another_reason_may_contain_such_cells() -> None:
    batch = pa.table(
        {
            "x": pa.array([math.inf]),
            "y": pa.array([b"caf\xe9"]).view(pa.string()),
            "z": pa.array([2**62], pa.int64()).cast(pa.timestamp("ms", "Mars/Olympus_Mons")),
            ROW_NUMBER: [1],
        }
    )
    columns = [NUMBER, Column("y", String), Column("z", DateTime)]
    _, (row,) = check_batch(batch, columns)
    assert row.reason == "x is infinite"
    assert (
        row.values
        == to_json_values(row.values)
        == {"x": "inf", "y": "caf\ufffd", "z": f"{2**62} ms since 1970"}
    )


def test_half_precision_numbers_are_read() -> None:
    cells = pa.array([1.0, 1.5, math.nan, None], pa.float16())
    assert check(NUMBER, cells) == ([1.0, 1.5, None, None], [])
    whole = check(Column("x", BigInteger), cells)
    assert whole == ([1, None, None], [("x is not a whole number", 1.5)])


def test_the_last_representable_microsecond_is_unchanged() -> None:
    assert check(TIME, pa.array([datetime.max])) == ([datetime.max], [])  # noqa: DTZ901

"""Validation of cells: numbers, whole numbers, text and timestamps, and their bounds."""

import datetime
import json
import math
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import BigInteger, Column, DateTime, Double, String

from db.table_specs import ROW_NUMBER
from db.validation import RejectedRow, can_hold, check_batch, content_keys, to_json_values

NUMBER = Column("x", Double)
FRACTION = Column("x", Double, info={"minimum": 0, "maximum": 5})
WHOLE = Column("x", BigInteger)
LABEL = Column("x", BigInteger, info={"minimum": 0, "maximum": 1})
TEXT = Column("x", String)
TIME = Column("x", DateTime)
NOON = datetime.datetime(2024, 5, 6, 12)  # noqa: DTZ001 (tables keep UTC without a zone)


def check(column: Column, *values: Any, type: pa.DataType | None = None) -> tuple[list, list]:
    """Return the valid values of a column, and the reasons why the others are rejected."""
    numbers = pa.array(range(1, len(values) + 1))
    batch = pa.table({"x": pa.array(values, type), ROW_NUMBER: numbers})
    valid, rejected = check_batch(batch, [column])
    return valid["x"].to_pylist(), [row.reason for row in rejected]


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        (NUMBER, "12", 12.0),
        (NUMBER, " 777.25 ", 777.25),
        (NUMBER, "-1e3", -1000.0),
        (NUMBER, "9007199254740993", 2.0**53),  # rounded to the nearest double
        (WHOLE, "9007199254740993", 9007199254740993),
        (WHOLE, "12", 12),
        (LABEL, "True", 1),
        (LABEL, "False", 0),
        (TEXT, "n/a", "n/a"),
        (TEXT, "12", "12"),
        (TIME, "2024-05-06T12:00:00", NOON),
        (TIME, "2024-05-06T14:00:00+02:00", NOON),
        (TIME, "2024-05-06", NOON.replace(hour=0)),
    ],
)
def test_text_is_converted_to_the_type_of_the_column(column: Column, cell: str, value: Any) -> None:
    assert check(column, cell) == ([value], [])


@pytest.mark.parametrize("column", [NUMBER, WHOLE, TIME], ids=["number", "whole number", "time"])
@pytest.mark.parametrize("cell", ["NA", "n/a", "NaN", "null", "None", None])
def test_a_text_for_a_missing_value_is_a_null(column: Column, cell: str | None) -> None:
    assert check(column, cell, type=pa.string()) == ([None], [])


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        (NUMBER, "twelve", "x is not a number"),
        (NUMBER, "52,000", "x is not a number"),
        (NUMBER, "inf", "x is infinite"),
        (NUMBER, "-inf", "x is infinite"),
        (FRACTION, "-0.5", "x is negative"),
        (FRACTION, "13.56", "x is above 5"),
        (Column("x", Double, info={"minimum": 2}), "1", "x is below 2"),
        (LABEL, "0.5", "x is not a whole number"),
        (LABEL, "yes", "x is not a whole number"),
        (LABEL, "2", "x is above 1"),
        (LABEL, "-1", "x is negative"),
        (TEXT, "ca\0r", "x holds a NUL byte"),
        (TIME, "yesterday", "x is not a timestamp"),
    ],
)
def test_invalid_text_is_rejected(column: Column, cell: str, reason: str) -> None:
    assert check(column, cell) == ([], [reason])


@pytest.mark.parametrize("column", [NUMBER, WHOLE, TIME], ids=["number", "whole number", "time"])
@pytest.mark.parametrize("others", [[], ["12"], ["12", "13"]], ids=["alone", "one", "two"])
def test_invalid_text_is_rejected_among_nulls_and_valid_cells(
    others: list[str], column: Column
) -> None:
    # pandas' to_numeric raises here, or returns the value of another cell
    valid = ["2024-05-06" for _ in others] if column is TIME else others
    values, reasons = check(column, None, "twelve", *valid)
    assert len(values) == 1 + len(others)
    assert len(reasons) == 1


@pytest.mark.parametrize(
    ("column", "value", "file_type", "expected"),
    [
        (NUMBER, 3, pa.int8(), 3.0),
        (NUMBER, 2**60 + 1, pa.int64(), 2.0**60),
        (NUMBER, math.nan, pa.float64(), None),
        (NUMBER, 1.5, pa.float32(), 1.5),
        (WHOLE, 3.0, pa.float64(), 3),
        (WHOLE, math.nan, pa.float64(), None),
        (WHOLE, 2**63 - 1, pa.uint64(), 2**63 - 1),
        (LABEL, True, pa.bool_(), 1),
        (TEXT, "fair", pa.dictionary(pa.int8(), pa.string()), "fair"),
        (TEXT, "fair", pa.large_string(), "fair"),
        (TIME, NOON, pa.timestamp("ns"), NOON),
        (TIME, pd.Timestamp("2024-05-06T14:00+02:00"), pa.timestamp("us", "Europe/Berlin"), NOON),
    ],
)  # fmt: skip
def test_a_typed_value_is_converted_to_the_type_of_the_column(
    column: Column, value: Any, file_type: pa.DataType, expected: Any
) -> None:
    assert check(column, value, type=file_type) == ([expected], [])


@pytest.mark.parametrize(
    ("column", "value", "file_type", "reason"),
    [
        (NUMBER, math.inf, pa.float64(), "x is infinite"),
        (NUMBER, -math.inf, pa.float64(), "x is infinite"),
        (FRACTION, -0.01, pa.float64(), "x is negative"),
        (FRACTION, 5.01, pa.float32(), "x is above 5"),
        (WHOLE, 1.5, pa.float64(), "x is not a whole number"),
        (WHOLE, 2.0**53 + 2, pa.float64(), "x is not a whole number"),
        (WHOLE, 2**63 + 5, pa.uint64(), "x is too large"),
        (LABEL, 2, pa.int64(), "x is above 1"),
        (TEXT, "ca\0r", pa.string(), "x holds a NUL byte"),
    ],
)
def test_an_invalid_typed_value_is_rejected(
    column: Column, value: Any, file_type: pa.DataType, reason: str
) -> None:
    assert check(column, value, type=file_type) == ([], [reason])


@pytest.mark.parametrize("column", [FRACTION, LABEL], ids=["number", "label"])
def test_the_bounds_and_nulls_are_valid(column: Column) -> None:
    values = [column.info["minimum"], column.info["maximum"], None]
    assert check(column, *values) == (values, [])


def test_a_null_is_rejected_only_in_columns_that_are_not_nullable() -> None:
    assert check(TEXT, "a", None) == (["a", None], [])
    required = Column("x", String, nullable=False)
    assert check(required, "a", None) == (["a"], ["x is null"])
    assert check(Column("x", Double, primary_key=True), 1.0, math.nan) == ([1.0], ["x is null"])


def test_a_rejected_row_has_its_number_the_first_reason_and_its_values() -> None:
    batch = pa.table(
        {"rate": ["0.1", "13", "0.2"], "late": ["1", "maybe", "2"], ROW_NUMBER: [7, 8, 9]}
    )
    columns = [
        Column("rate", Double, info={"maximum": 5}),
        Column("late", BigInteger, info={"maximum": 1}),
    ]
    valid, rejected = check_batch(batch, columns)
    assert valid.to_pylist() == [{"rate": 0.1, "late": 1, ROW_NUMBER: 7}]
    assert rejected == [
        RejectedRow(8, "rate is above 5", {"rate": "13", "late": "maybe"}),
        RejectedRow(9, "late is above 1", {"rate": "0.2", "late": "2"}),
    ]


def test_values_of_rejected_rows_are_converted_to_json() -> None:
    values = to_json_values(
        {"apr": -math.inf, "rate": math.nan, "at": NOON, "lender": 2**64, "n": None}
    )
    assert values == {
        "apr": "-inf",
        "rate": "nan",
        "at": "2024-05-06 12:00:00",
        "lender": 2**64,
        "n": None,
    }
    assert json.loads(json.dumps(values, allow_nan=False)) == values


@pytest.mark.parametrize(
    ("expected", "accepted", "others"),
    [
        ("a number", [pa.int32(), pa.float32(), pa.decimal128(9, 2)], [pa.string(), pa.bool_()]),
        ("a whole number", [pa.uint64(), pa.float64(), pa.bool_()], [pa.decimal128(9, 2)]),
        ("text", [pa.string(), pa.dictionary(pa.int8(), pa.string())], [pa.int64()]),
        ("a timestamp", [pa.timestamp("ns", "UTC")], [pa.date32(), pa.string(), pa.int64()]),
    ],
)
def test_a_column_of_a_typed_file_must_have_an_accepted_type(
    expected: str, accepted: list[pa.DataType], others: list[pa.DataType]
) -> None:
    assert [type for type in (*accepted, pa.null()) if not can_hold(type, expected)] == []
    assert [type for type in others if can_hold(type, expected)] == []


def test_a_content_key_depends_only_on_the_values_of_its_columns() -> None:
    rows = pa.table({"a": [1.5, 1.5, None], "b": ["x", "y", "x"], "c": [1, 2, 3]})
    keys = content_keys(rows, ["a", "b"]).to_pylist()
    assert len(set(keys)) == 3
    assert {len(key) for key in keys} == {32}
    assert content_keys(rows.select(["b", "a"]), ["a", "b"]).to_pylist() == keys

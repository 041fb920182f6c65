"""Cells of CSV files: only the forms of numbers and timestamps in docs/sources.md are accepted."""

from typing import Any

import pyarrow as pa
import pytest

from db.text_cells import parse_cells

DAY, NOON = "2024-05-06 00:00:00", "2024-05-06 12:00:00"


def parse(expected: str, cell: str) -> Any:
    """Parse the cell together with two others; return its value, or None if it is invalid."""
    neighbor = "2024-05-06T12:00:00.5Z" if expected == "a timestamp" else "1.0"
    value, null, other = parse_cells(pa.array([cell, None, neighbor]), expected).to_pylist()
    assert null is None
    assert other is not None
    return value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12.0), ("-12.5", -12.5), ("+5", 5.0), ("0012", 12.0), (".5", 0.5), ("5.", 5.0),
        ("1e5", 1e5), ("1E+5", 1e5), ("1e-400", 0.0), ("\t 5 \n", 5.0), ("0.1", 0.1),
        ("9007199254740993", 2.0**53), ("2.2250738585072011e-308", 2.225073858507201e-308),
        ("inf", float("inf")), ("-Infinity", float("-inf")), ("1e400", float("inf")),
        ("9" * 400, float("inf")),
    ],
)  # fmt: skip
def test_numbers(cell: str, value: float) -> None:
    assert parse("a number", cell) == value


@pytest.mark.parametrize(
    "cell",
    [
        "", " ", "twelve", "1_000", "1 000", "52,000", "1,5", "0x10", "0x1p3",
        "\uff11\uff12", "\u0663", "\u22125",
        "--5", "+-5", "1e", "e5", "1e5.0", ".", "1.2.3", "5%", "$5", "5f", "1.0L", "1d5", "1j",
        "5\xa0", "True", "-nan", "infinit", "NaT", "now", "5\0",
    ],
)  # fmt: skip
def test_texts_that_are_not_numbers(cell: str) -> None:
    assert parse("a number", cell) is None
    if cell != "True":
        assert parse("a whole number", cell) is None


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12), ("-12", -12), ("+5", 5), ("0012", 12), (" 5 ", 5), ("5.0", 5), ("1e5", 100_000),
        ("-0", 0), ("True", 1), ("False", 0), ("9007199254740993", 9007199254740993),
        (str(2**63 - 1), 2**63 - 1), (str(-(2**63)), -(2**63)),
    ],
)  # fmt: skip
def test_whole_numbers(cell: str, value: int) -> None:
    assert parse("a whole number", cell) == value


@pytest.mark.parametrize(
    "cell",
    [
        "0.5",
        "inf",
        "true",
        "TRUE",
        "yes",
        str(2**63),
        str(-(2**63) - 1),
        "9" * 39,
        "1e16",
        "1e400",
        f"{2**53 + 1}.0",
    ],
)
def test_texts_that_are_not_whole_numbers_or_not_exact_in_64_bits(cell: str) -> None:
    assert parse("a whole number", cell) is None


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2024-05-06", DAY), ("20240506", DAY), ("2024-05-06T12", NOON), ("2024-05-06 12:00", NOON),
        ("2024-05-06T1200", NOON), ("20240506T120000Z", NOON), ("2024-05-06 12:00:00", NOON),
        ("2024-05-06T12:00:00Z", NOON), ("2024-05-06T12:00:00+00:00", NOON),
        ("2024-05-06T14:00:00+02:00", NOON), ("2024-05-06 14:00:00+0200", NOON),
        ("2024-05-06 14:00:00+02", NOON), ("2024-05-06 14:00:00 +02:00", NOON),
        ("2024-05-06T06:30:00-05:30", NOON),
        ("2024-05-06T12:00:00.1", NOON + ".100000"),
        ("2024-05-06T12:00:00.123456", NOON + ".123456"),
        ("2024-05-06T12:00:00.123456789", NOON + ".123456"),
        ("2024-02-29", "2024-02-29 00:00:00"), ("0001-01-01", "0001-01-01 00:00:00"),
        ("1600-01-01", "1600-01-01 00:00:00"), ("9999-12-31", "9999-12-31 00:00:00"),
        ("9999-12-31T23:59:59.999999-00:00", "9999-12-31 23:59:59.999999"),
    ],
)  # fmt: skip
def test_timestamps(cell: str, value: str) -> None:
    assert str(parse("a timestamp", cell)) == value


@pytest.mark.parametrize(
    "cell",
    [
        "", "now", "today", "NaT", "nat", "yesterday", "May 6, 2024", "05/06/2024", "24-05-06",
        "2024", "2024-05", "202405", "2024-W19", "2024-W19-1", "2024-127", "2024-5-6", "2024/05/06",
        "2024.05.06", "2024 05 06", "1715000000", " 2024-05-06", "2024-05-06T", "2024-05-06t12:00",
        "2024-05-06T24:00:00", "2024-05-06T12:00:60", "2024-05-06T12:60", "2024-05-06T12:00:00.",
        "2024-05-06T12:00:00,5", "2024-05-06T12:00:00z", "2024-05-06T12:00:00 UTC", "2024-05-06Z",
        "2024-05-06T12:00:00+24:00", "2024-05-06T12:00:00+02:60", "2024-05-06T12:00:00[UTC]",
        "2024-02-30", "2023-02-29", "2024-13-01", "2024-00-01", "0000-01-01", "-2024-05-06",
        "+2024-05-06", "10000-01-01", "2024-05-06T12:00:00.1234567890",
        "\uff12\uff10\uff12\uff14-05-06",
    ],
)  # fmt: skip
def test_texts_that_are_not_timestamps(cell: str) -> None:
    assert parse("a timestamp", cell) is None

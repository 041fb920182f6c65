"""Source files that change after they were opened, or that contradict their footer."""

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import BigInteger, Column, DateTime, MetaData

from db.readers import SourceError, SourceFile, open_sources
from db.table_specs import Source, source_table

EVENTS = Source(
    source_table(
        "events",
        MetaData(),
        Column("event_id", BigInteger, primary_key=True),
        Column("happened_at", DateTime, info={"optional": True}),
    ),
    "events",
)


def open_events(folder: Path) -> SourceFile:
    (file,) = open_sources(folder, [EVENTS])
    return file


def read_rows(file: SourceFile) -> list[dict[str, Any]]:
    return [row for valid, _ in file.batches() for row in valid.to_pylist()]


def write_csv(path: Path, header: Sequence[str], *rows: Sequence[object]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_parquet_with_row_count(path: Path, rows: int, row_count: int) -> None:
    """Write rows to a file whose footer claims `row_count` rows."""
    pq.write_table(pa.table({"event_id": range(rows)}), path, store_schema=False)
    content = path.read_bytes()
    number, other = (bytes([2 * n & 127 | 128, 2 * n >> 7]) for n in (rows, row_count))
    for i in range(len(content)):
        if content[i : i + 2] == number:
            path.write_bytes(content[:i] + other + content[i + 2 :])
            if pq.read_metadata(path).num_rows == row_count:
                return
    pytest.fail("the footer does not contain the number of rows")


def test_a_csv_file_that_was_replaced_after_opening_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "events.csv", ["event_id", "happened_at"], [1, "2024-01-01"])
    file = open_events(tmp_path)
    write_csv(tmp_path / "new", ["happened_at", "event_id"], ["2024-01-01", 1])
    (tmp_path / "new").replace(tmp_path / "events.csv")
    with pytest.raises(SourceError, match="it was replaced or changed after it was opened"):
        read_rows(file)


@pytest.mark.parametrize("row_count", [90, 110])
def test_a_parquet_file_with_a_wrong_number_of_rows_is_refused(
    row_count: int, tmp_path: Path
) -> None:
    write_parquet_with_row_count(tmp_path / "events.parquet", 100, row_count)
    with pytest.raises(SourceError, match=f"it has {row_count} rows, but 100 could be read"):
        read_rows(open_events(tmp_path))


@pytest.mark.parametrize("time", [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)])  # noqa: DTZ001
def test_timestamps_of_96_bits_are_read_exactly(time: datetime, tmp_path: Path) -> None:
    rows = pa.table({"event_id": [1], "happened_at": pa.array([time], pa.timestamp("us"))})
    pq.write_table(rows, tmp_path / "events.parquet", use_deprecated_int96_timestamps=True)
    (row,) = read_rows(open_events(tmp_path))
    assert row["happened_at"] == time

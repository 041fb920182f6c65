"""Random and damaged source files are read correctly, or refused in one sentence.

`make test` reads 200 files, `make soak` 5,000. The expected rows of a CSV file come from its
generator, and those of a Parquet file from before it was damaged.
"""

import contextlib
import math
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, DateTime, Double, MetaData, String

from db.readers import SourceError, open_sources
from db.table_specs import ROW_NUMBER, Source, source_table
from tests.support.fuzzed_files import CsvFile, Row, csv_files, damaged_bytes

FILES = int(os.environ.get("SOAK_FUZZ_FILES", "200"))
SEED = int(os.environ.get("SOAK_SEED", "4"))
NAMES = ("amount", "count", "at", "word")
MAX_HEADER_BYTES = 160
TABLE = source_table(
    "fuzzed",
    MetaData(),
    Column("key", BigInteger, primary_key=True, info={"optional": True}),
    *(Column(n, t) for n, t in zip(NAMES, (Double, BigInteger, DateTime, String), strict=True)),
)
SETTINGS = settings(
    max_examples=FILES // 2,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def read(path: Path) -> dict[int, Row | None]:
    """Return the rows of a file by their numbers, and None for a rejected row.

    Raises:
        SourceError: the file is refused.
    """
    (file,) = open_sources(path, [Source(TABLE, "fuzzed")])
    rows: dict[int, Row | None] = {}
    for valid, rejected in file.batches():
        rows |= {row[ROW_NUMBER]: tuple(row[n] for n in NAMES) for row in valid.to_pylist()}
        rows |= {row.row_number: None for row in rejected}
    return rows


def read_error(path: Path) -> str:
    """Return the error message for a file that must be refused."""
    with pytest.raises(SourceError) as error:
        read(path)
    sentence = str(error.value)
    assert sentence.endswith(".")
    assert "nothing was loaded" in sentence.lower()
    return sentence


def read_or_refuse(path: Path, expected: dict[int, Row | None]) -> str:
    """Read a file that may be damaged; return "read" or "refused"."""
    try:
        rows = read(path)
    except SourceError:
        assert read_error(path)
        return "refused"
    assert rows == expected
    return "read"


def test_csv_files_are_read_correctly_or_refused(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()

    @seed(SEED)
    @SETTINGS
    @given(st.data())
    def read_one(data: st.DataObject) -> None:
        file: CsvFile = data.draw(csv_files(NAMES))
        plain, compressed = tmp_path / "fuzzed.csv", tmp_path / "fuzzed.csv.gz"
        plain.write_bytes(file.content)
        if file.rows:
            assert read(plain) == file.rows
        else:
            assert "has no rows" in read_error(plain)
        compressed.write_bytes(data.draw(damaged_bytes(file.content)))
        outcomes[read_or_refuse(compressed, file.rows)] += 1

    read_one()
    print(f"{outcomes.total():,} CSV files, and as many damaged ones: {dict(outcomes)}")
    assert outcomes["refused"] > outcomes["read"]


@dataclass(frozen=True)
class ParquetFile:
    """A file with checksums, its rows by their numbers, and the bytes that the checksums cover."""

    content: bytes
    rows: dict[int, Row | None]
    covered: list[int]


@pytest.fixture(scope="module", params=["none", "snappy", "gzip"])
def parquet(request: pytest.FixtureRequest) -> ParquetFile:
    rows = _rows(random.Random(SEED), 600)
    columns = {name: [row[at] for row in rows] for at, name in enumerate(NAMES)}
    types = (pa.float64(), pa.int64(), pa.timestamp("us"), pa.string())
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(columns, pa.schema(zip(NAMES, types, strict=True))),
        sink,
        compression=request.param,
        use_dictionary=False,  # so that a chunk is one page: a header and content with a checksum
        row_group_size=300,
        write_page_checksum=True,
    )
    content = sink.getvalue().to_pybytes()
    metadata = pq.read_metadata(pa.BufferReader(content))
    covered: list[int] = []
    for group in range(metadata.num_row_groups):
        for chunk in metadata.row_group(group).to_dict()["columns"]:
            start, size = chunk["data_page_offset"], chunk["total_compressed_size"]
            covered += range(start + MAX_HEADER_BYTES, start + size)
    return ParquetFile(content, dict(enumerate(rows, 1)), covered)


def _rows(rng: random.Random, number: int) -> list[Row]:
    def cell(value: Any) -> Any:
        return None if rng.random() < 0.1 else value

    moments = (rng.randrange(2**50) for _ in range(number))
    times = pa.array(moments, pa.int64()).cast(pa.timestamp("us")).to_pylist()
    return [
        (
            cell(round(rng.uniform(0, 1_000), 2)),
            cell(rng.randrange(1_000_000)),
            cell(at),
            cell(rng.choice("abc") * rng.randrange(1, 9)),
        )
        for at in times
    ]


def test_parquet_files_with_flipped_bits_are_read_correctly_or_refused(
    parquet: ParquetFile, tmp_path: Path
) -> None:
    path = tmp_path / "fuzzed.parquet"
    path.write_bytes(parquet.content)
    assert read(path) == parquet.rows
    outcomes: Counter[str] = Counter()

    @seed(SEED)
    @settings(SETTINGS, max_examples=math.ceil(FILES / 6))
    @given(st.data())
    def read_one(data: st.DataObject) -> None:
        changed = bytearray(parquet.content)
        is_covered = data.draw(st.sampled_from([True, True, True, False]))
        positions = (
            st.sampled_from(parquet.covered) if is_covered else st.integers(0, len(changed) - 1)
        )
        changed[data.draw(positions)] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(changed)
        if is_covered:
            outcomes[read_or_refuse(path, parquet.rows)] += 1
        else:  # headers and footer have no checksum, so any rows or a SourceError may result
            with contextlib.suppress(SourceError):
                read(path)

    read_one()
    print(f"{outcomes.total():,} Parquet files with a changed page: {dict(outcomes)}")
    assert outcomes["refused"] == outcomes.total() > FILES / 12

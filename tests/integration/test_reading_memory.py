"""A source file is read in memory that does not grow with it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from db.readers import ParquetReader


def test_a_parquet_file_is_read_in_memory_that_does_not_grow_with_it(tmp_path: Path) -> None:
    path, rows = tmp_path / "ds_offers.parquet", 1_000_000
    numbers = np.random.default_rng(0).random(rows)  # which no codec makes smaller
    pq.write_table(pa.table({"apr": numbers, "offer_id": range(rows)}), path, row_group_size=10_000)
    before, peak = pa.total_allocated_bytes(), 0
    for batch, _ in ParquetReader(path).batches(["apr"]):
        peak = max(peak, pa.total_allocated_bytes() - before - batch.nbytes)
    assert peak < numbers.nbytes / 5

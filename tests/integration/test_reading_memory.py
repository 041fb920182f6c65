"""Memory for reading a source file does not grow with its size."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from db.readers import ParquetReader


def test_memory_does_not_grow_with_the_size_of_a_parquet_file(tmp_path: Path) -> None:
    path, rows = tmp_path / "ds_offers.parquet", 1_000_000
    numbers = np.random.default_rng(0).random(rows)  # random numbers do not compress
    pq.write_table(pa.table({"apr": numbers, "offer_id": range(rows)}), path, row_group_size=10_000)
    before, peak = pa.total_allocated_bytes(), 0
    for batch, _ in ParquetReader(path).batches(["apr"]):
        peak = max(peak, pa.total_allocated_bytes() - before - batch.nbytes)
    assert peak < numbers.nbytes / 5

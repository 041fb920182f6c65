"""Baseline of benchmark 5: copy the source files into SQLite by Arrow (ADBC).

    python -m benchmarks.bare_load FOLDER DATABASE

It has no keys, no checks and no foreign keys, and it rejects no row.
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq
from adbc_driver_sqlite import dbapi


def main(folder: Path, database: str) -> None:
    with dbapi.connect(database) as connection, connection.cursor() as cursor:
        for path in sorted(folder.glob("*.parquet*")):
            file = pq.ParquetFile(path)
            table = path.name.partition(".")[0]
            for number, batch in enumerate(file.iter_batches(100_000)):
                cursor.adbc_ingest(table, batch, mode="append" if number else "create")
        connection.commit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

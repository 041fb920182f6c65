"""Baseline of figure 5: the source files into SQLite by Arrow (ADBC), as they are.

    python -m benchmarks.bare_load FOLDER DATABASE

No keys, no checks, no references, nothing set aside.
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

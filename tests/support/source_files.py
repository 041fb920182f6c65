"""Load folders of source files, edit them and damage them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import ingest
from tests.support.scripts import run_main

LEADS, OFFERS, CLICKS = (f"ds_{name}.parquet.gzip" for name in ("leads", "offers", "clicks"))
LOANS = "peer_loans.csv"
Edit = Callable[[pd.DataFrame], pd.DataFrame]


def load_source(source: Path, database: str, *flags: object) -> int:
    """Run ingest.py on a folder or file; return its exit code."""
    return run_main(ingest.main, "--source", source, "--database", database, *flags)


def load_loans(source: Path, database: str, *flags: object) -> int:
    """Run ingest.py on a folder or file of loans; return its exit code."""
    return load_source(source, database, "--problem", "loan_risk", *flags)


def edit_parquet(source: Path, file: str, edit: Edit) -> None:
    """Change the rows of a Parquet file."""
    frame = edit(pd.read_parquet(source / file))
    frame.to_parquet(source / file, compression="gzip", index=False)


def write_with_checksums(table: pa.Table, path: Path) -> None:
    """Write a Parquet file of uncompressed pages with checksums."""
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)


def flip_bit(path: Path, byte: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def flip_value_bit(source: Path, file: str, column: str) -> None:
    """Rewrite a Parquet file with checksums, and flip one bit of a value."""
    path = source / file
    write_with_checksums(pq.read_table(path), path)
    chunks = pq.read_metadata(path).row_group(0).to_dict()["columns"]
    (chunk,) = (chunk for chunk in chunks if chunk["path_in_schema"] == column)
    flip_bit(path, chunk["data_page_offset"] + chunk["total_compressed_size"] // 2)


def set_value(column: str, row: int, value: Any) -> Edit:
    """Return an edit that sets one value."""

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame.infer_objects()

    return edit


def read_loans(source: Path) -> pd.DataFrame:
    """Read the cells of the folder's CSV file of loans as text."""
    return pd.read_csv(source / LOANS, dtype=str, keep_default_na=False)


def edit_loans(source: Path, edit: Edit) -> None:
    """Change the cells of the folder's CSV file of loans."""
    edit(read_loans(source)).to_csv(source / LOANS, index=False)

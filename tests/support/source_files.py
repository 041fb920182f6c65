"""Folders of source files: loading them, and putting faults into them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

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


def set_value(column: str, row: int, value: Any) -> Edit:
    """An edit that sets one value."""

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame.infer_objects()

    return edit


def read_loans(source: Path) -> pd.DataFrame:
    """The cells of the folder's CSV file of loans, as text."""
    return pd.read_csv(source / LOANS, dtype=str, keep_default_na=False)


def edit_loans(source: Path, edit: Edit) -> None:
    """Change the cells of the folder's CSV file of loans."""
    edit(read_loans(source)).to_csv(source / LOANS, index=False)

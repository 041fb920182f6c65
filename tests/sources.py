"""Loading folders of source files in tests, spoiling them, and looking at what was loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import inspect, text

import ingest
from db.engine import database_url, opened
from tests.helpers import run_main

LEADS, OFFERS, CLICKS = (f"ds_{name}.parquet.gzip" for name in ("leads", "offers", "clicks"))


def load(source: Path, database: str, *flags: object) -> int:
    return run_main(ingest.main, "--source", source, "--database", database, *flags)


def content(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the database, table by table; {} where there is none."""
    url = database_url(database)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return {}
    with opened(url) as engine, engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(text(f'SELECT * FROM "{name}"'))), key=repr)
            for name in inspect(engine).get_table_names()
        }


def change(source: Path, file: str, how: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    frame = how(pd.read_parquet(source / file))
    frame.to_parquet(source / file, compression="gzip", index=False)


def put(column: str, row: int, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def how(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame.infer_objects()

    return how

"""Scoring requests with a few rows, in every format of the protocol."""

import io
import json
from typing import Any

import pandas as pd
import requests

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
COLUMNS = ["requested", "loan_purpose", "credit", "annual_income", "apr"]
NUMBERS = ["requested", "annual_income", "apr"]
ROWS: list[dict[str, Any]] = [
    dict(zip(COLUMNS, values, strict=True))
    for values in (
        (1500, "auto", "good", 42000, 9.9),
        (None, None, "poor", 1e5, 35),
        (8000, "moon", None, None, None),
    )
]
FRAME = pd.DataFrame(ROWS).astype(dict.fromkeys(NUMBERS, "float64"))


def invoke(url: str, content_type: str, body: str | bytes, **headers: str) -> requests.Response:
    """POST a body of this content type to /invocations of the server."""
    if content_type:
        headers = {"Content-Type": content_type} | headers
    return requests.post(f"{url}/invocations", data=body, headers=headers, timeout=60)


def records_body(*rows: dict[str, Any]) -> str:
    return json.dumps({"dataframe_records": rows})


def parquet_body(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def split_body(frame: pd.DataFrame) -> str:
    return json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split"))})

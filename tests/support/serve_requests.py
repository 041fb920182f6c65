"""Requests to serve.py that get scores, and requests that it refuses."""

import json
import re

from tests.support.request_bodies import (
    COLUMNS,
    CSV,
    FRAME,
    JSON,
    PARQUET,
    ROWS,
    parquet_body,
    records_body,
    split_body,
)

# what the request is -> content type, body
SCORED: dict[str, tuple[str, str | bytes]] = {
    "records": (JSON, records_body(*ROWS)),
    "one record": (JSON, records_body(ROWS[0])),
    "nothing but nulls": (JSON, records_body(dict.fromkeys(COLUMNS))),
    "split": (JSON, split_body(FRAME)),
    "columns in another order, and one too many": (
        JSON,
        split_body(FRAME[COLUMNS[::-1]].assign(surname="Ellington")),
    ),
    "instances": (JSON, json.dumps({"instances": ROWS[:1]})),
    "csv": (CSV, FRAME.to_csv(index=False)),
    "csv, charset named": ("text/csv; charset=utf-8", FRAME.to_csv(index=False)),
    "parquet": (PARQUET, parquet_body(FRAME)),
    "parquet of smaller numbers, and a column too many": (
        PARQUET,
        parquet_body(FRAME[:1].assign(surname="Ellington").astype({"requested": "int32"})),
    ),
}
# what the request is -> content type, body, status, a part of the reason
REFUSED: dict[str, tuple[str, str, int, str]] = {
    "not JSON": (JSON, "{", 400, "not valid JSON"),
    "a list": (JSON, "[1]", 400, "must be an object with just one of dataframe_records"),
    "another field": (JSON, '{"rows": []}', 400, "just one of dataframe_records"),
    "a column is missing": (
        JSON, split_body(FRAME.drop(columns=["apr", "credit"])), 400, "or they lack credit, apr.",
    ),
    "text for a number": (
        JSON, records_body(ROWS[0] | {"apr": "dear"}), 400,
        "apr holds something of another type",
    ),
    "no rows": (JSON, records_body(), 400, "there are none, or they lack requested, loan_purpose"),
    "not CSV": (CSV, '"', 400, "cannot be read as CSV"),
    "not Parquet": (PARQUET, "PAR1", 400, "cannot be read as Parquet"),
    "no content type": ("", "{}", 415, "Send a Content-Type"),
    "another content type": ("text/html", "<b>", 415, "application/json"),
    "another charset": ("application/json; charset=latin-1", "{}", 415, "UTF-8"),
}  # fmt: skip
SENT_TEXTS = re.compile("dear|moon|Ellington|surname")  # of the requests above

"""Valid and invalid scoring requests for serve.py."""

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

# description: content type, body
VALID: dict[str, tuple[str, str | bytes]] = {
    "records": (JSON, records_body(*ROWS)),
    "one record": (JSON, records_body(ROWS[0])),
    "only nulls": (JSON, records_body(dict.fromkeys(COLUMNS))),
    "split": (JSON, split_body(FRAME)),
    "columns in another order, and an unknown one": (
        JSON,
        split_body(FRAME[COLUMNS[::-1]].assign(surname="Ellington")),
    ),
    "instances": (JSON, json.dumps({"instances": ROWS[:1]})),
    "csv": (CSV, FRAME.to_csv(index=False)),
    "csv with a charset": ("text/csv; charset=utf-8", FRAME.to_csv(index=False)),
    "parquet": (PARQUET, parquet_body(FRAME)),
    "parquet with smaller types, and an unknown column": (
        PARQUET,
        parquet_body(FRAME[:1].assign(surname="Ellington").astype({"requested": "int32"})),
    ),
}
# description: content type, body, status, part of the message
INVALID: dict[str, tuple[str, str, int, str]] = {
    "not JSON": (JSON, "{", 400, "not valid JSON"),
    "a list": (JSON, "[1]", 400, "must be an object with exactly one of dataframe_records"),
    "another field": (JSON, '{"rows": []}', 400, "exactly one of dataframe_records"),
    "missing columns": (
        JSON, split_body(FRAME.drop(columns=["apr", "credit"])), 400,
        "these columns are missing: credit, apr.",
    ),
    "text for a number": (
        JSON, records_body(ROWS[0] | {"apr": "dear"}), 400, "apr has another type",
    ),
    "no rows": (
        JSON, records_body(), 400,
        "there are no rows, or these columns are missing: requested, loan_purpose",
    ),
    "not CSV": (CSV, '"', 400, "cannot be read as CSV"),
    "not Parquet": (PARQUET, "PAR1", 400, "cannot be read as Parquet"),
    "no content type": ("", "{}", 415, "The Content-Type must be application/json"),
    "another content type": ("text/html", "<b>", 415, "application/json"),
    "another charset": ("application/json; charset=latin-1", "{}", 415, "UTF-8"),
}  # fmt: skip
SENT_TEXTS = re.compile("dear|moon|Ellington|surname")  # must not appear in errors or logs

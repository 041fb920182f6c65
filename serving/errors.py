"""What a caller is told who gets no scores: one shape, and never a word of what was sent.

{"error_code": "BAD_ROWS", "message": "…", "request_id": "…"}
"""

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn

from starlette.responses import JSONResponse


class RequestError(Exception):
    """An answer other than scores: its status, a code for programs, a sentence for people."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def to_response(self, request_id: str) -> JSONResponse:
        content = {"error_code": self.code, "message": self.message, "request_id": request_id}
        return JSONResponse(content, self.status, self.headers)


SUPPORTED_CONTENT_TYPES = "application/json, text/csv or application/vnd.apache.parquet"
# what MLflow says, and what of it can be said without what it was sent
SAYINGS = (
    ("valid JSON", "the body is not valid JSON"),
    (
        "exactly one of the input fields",
        "the JSON must be an object with just one of dataframe_records, dataframe_split, instances "
        "and inputs",
    ),
    ("dataframe_records", "dataframe_records must be a list of objects, one a row"),
    ("records format", "dataframe_records must be a list of objects, one a row"),
    ("dataframe_split", "dataframe_split must be an object with columns and data"),
    ("split format", "dataframe_split must be an object with columns and data"),
    ("valid CSV", "the body cannot be read as CSV with these columns"),
    ("valid UTF-8", "the body is not UTF-8"),
    ("valid Parquet", "the body cannot be read as Parquet"),
    ("unexpected error while evaluating", "there are none, or the model fails on one of them"),
)


MAX_COLUMNS = 1000  # of columns, those that the model does not use included


def busy_error() -> RequestError:
    """The refusal of a request for which a worker has no room."""
    text = "As many requests as may be are at work: try again."
    return RequestError(429, "BUSY", text, {"Retry-After": "1"})


def reject_rows(reason: str) -> NoReturn:
    """Refuse rows for this reason, which repeats nothing of them."""
    raise RequestError(400, "BAD_ROWS", f"The rows cannot be scored: {reason}.")


def check_row_count(rows: int, most: int) -> None:
    """Refuse a request of more rows than that."""
    if rows > most:
        raise RequestError(413, "TOO_LARGE", f"A request may have {most:,} rows: send fewer.")


def check_body_size(size: int, most: int) -> None:
    """Refuse a body that has more bytes, as sent or after decompression."""
    if size > most:
        raise RequestError(413, "TOO_LARGE", f"A body may have {most:,} bytes: send fewer rows.")


def check_column_count(names: int) -> None:
    """Refuse rows with more names of columns than `MOST_NAMES`."""
    if names > MAX_COLUMNS:
        reject_rows(f"they have more than {MAX_COLUMNS:,} columns")


def bad_rows_error(content: bytes, columns: Sequence[str]) -> RequestError:
    """Why MLflow refused rows, from its answer, in words of ours and the signature's columns."""
    try:
        said = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        said = ""
    said = said.rpartition("\nError: ")[2] or said
    return RequestError(400, "BAD_ROWS", f"The rows cannot be scored: {_reason(said, columns)}.")


def _reason(said: str, columns: Sequence[str]) -> str:
    _, missing, rest = said.partition("Model is missing inputs ")
    if missing:
        listed = rest.partition("]")[0]
        lacking = [name for name in columns if repr(name) in listed]
        return f"there are none, or they lack {', '.join(lacking or columns)}"
    for before in ("Failed to convert column ", "Incompatible input types for column "):
        _, found, rest = said.partition(before)
        for name in sorted(columns, key=len, reverse=True):
            if found and rest.lstrip("'\"").startswith(name):
                return f"{name} holds something of another type than the model's signature has"
    for fragment, saying in SAYINGS:
        if fragment in said:
            return saying
    return f"they do not fit the model's signature, which has {', '.join(columns)}"

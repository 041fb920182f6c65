"""Error responses of serve.py, which never repeat anything from the request.

{"error_code": "BAD_ROWS", "message": "…", "request_id": "…"}
"""

from collections.abc import Mapping, Sequence
from typing import NoReturn

from starlette.responses import JSONResponse

MAX_COLUMNS = 1000  # of a request, including columns that the model does not use
RECORDS_REASON = "dataframe_records must be a list of objects, one object per row"
SPLIT_REASON = "dataframe_split must be an object with columns and data"
ONE_FORMAT_REASON = (
    "the JSON must be an object with exactly one of dataframe_records, dataframe_split, instances "
    "and inputs"
)
# a fragment of MLflow's message, and the reason that we give for it
REASONS = (
    ("valid JSON", "the body is not valid JSON"),
    ("exactly one of the input fields", ONE_FORMAT_REASON),
    ("dataframe_records", RECORDS_REASON),
    ("records format", RECORDS_REASON),
    ("dataframe_split", SPLIT_REASON),
    ("split format", SPLIT_REASON),
    ("valid CSV", "the body cannot be read as CSV with these columns"),
    ("valid UTF-8", "the body is not UTF-8"),
    ("valid Parquet", "the body cannot be read as Parquet"),
    ("unexpected error while evaluating", "there are no rows, or the model fails on one of them"),
)


class RequestError(Exception):
    """A request that gets an error response: a status, a code for programs, and a message."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def to_response(self, request_id: str) -> JSONResponse:
        content = {"error_code": self.code, "message": self.message, "request_id": request_id}
        return JSONResponse(content, self.status, self.headers)


def busy_error() -> RequestError:
    """The error for a request that exceeds the limits of concurrent requests in a worker."""
    message = "The server is processing as many requests as it can: try again."
    return RequestError(429, "BUSY", message, {"Retry-After": "1"})


def content_type_error() -> RequestError:
    """The error for a request whose body is in no supported format."""
    types = "application/json, text/csv or application/vnd.apache.parquet"
    return RequestError(415, "CONTENT_TYPE", f"The Content-Type must be {types}, in UTF-8.")


def reject_rows(reason: str) -> NoReturn:
    """Raise the error for rows that cannot be scored; the reason must not repeat any of them."""
    raise RequestError(400, "BAD_ROWS", f"The rows cannot be scored: {reason}.")


def check_row_count(rows: int, maximum: int) -> None:
    """Raise `RequestError` if a request has more than `maximum` rows."""
    if rows > maximum:
        message = f"A request can have at most {maximum:,} rows: send fewer."
        raise RequestError(413, "TOO_LARGE", message)


def check_body_size(size: int, maximum: int) -> None:
    """Raise `RequestError` if a body has more than `maximum` bytes, as sent or decompressed."""
    if size > maximum:
        message = f"A body can have at most {maximum:,} bytes: send fewer rows."
        raise RequestError(413, "TOO_LARGE", message)


def check_column_count(columns: int) -> None:
    """Raise `RequestError` if there are more than `MAX_COLUMNS` columns."""
    if columns > MAX_COLUMNS:
        reject_rows(f"they have more than {MAX_COLUMNS:,} columns")


def bad_rows_error(mlflow_message: str, columns: Sequence[str]) -> RequestError:
    """The error for rows that MLflow rejected, which names only columns of the signature."""
    reason = _reason(mlflow_message.rpartition("\nError: ")[2], columns)
    return RequestError(400, "BAD_ROWS", f"The rows cannot be scored: {reason}.")


def _reason(mlflow_message: str, columns: Sequence[str]) -> str:
    _, is_missing, rest = mlflow_message.partition("Model is missing inputs ")
    if is_missing:
        listed = rest.partition("]")[0]
        missing = [name for name in columns if repr(name) in listed]
        return f"there are no rows, or these columns are missing: {', '.join(missing or columns)}"
    for prefix in ("Failed to convert column ", "Incompatible input types for column "):
        _, is_type_error, rest = mlflow_message.partition(prefix)
        for name in sorted(columns, key=len, reverse=True):
            if is_type_error and rest.lstrip("'\"").startswith(name):
                return type_reason(name)
    for fragment, reason in REASONS:
        if fragment in mlflow_message:
            return reason
    return f"they do not match the model's signature, which has the columns {', '.join(columns)}"


def type_reason(column: str) -> str:
    """The reason to reject rows in which this column has the wrong type."""
    return f"{column} has another type than in the model's signature"

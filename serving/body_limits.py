"""Limits on request bodies that are applied before MLflow makes a data frame of them.

A small body can become a large data frame, for example if its rows have different columns, if it
is compressed Parquet, or if one long text stands beside many short ones. `apply_limits` rejects
such bodies and drops columns that the model does not use. The memory that a body needs is then
proportional to `BodyLimits`.
"""

import csv
import functools
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving import errors, parquet_limits

# limits for JSON before it is parsed: lists and objects per row, and values per row, each of which
# may take a hundred times the memory of its comma
CONTAINERS_PER_ROW, VALUES_PER_ROW = 2, 16
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FORMATS = ("dataframe_records", "dataframe_split", "instances", "inputs")


@dataclass(frozen=True)
class BodyLimits:
    """The limits of one body: rows, and bytes after decompression."""

    max_rows: int
    max_bytes: int


def apply_limits(
    body: bytes, content_type: str, columns: Sequence[str], limits: BodyLimits
) -> bytes:
    """Return the body, or an equivalent one that has only the columns of the model.

    An invalid body is returned unchanged if MLflow rejects it without making a data frame of it.

    Raises:
        RequestError: it has too many rows, columns or bytes, or its rows are malformed.
    """
    media_type, *parameters = map(str.strip, content_type.split(";"))
    options = dict(parameter.partition("=")[::2] for parameter in parameters)
    if options.pop("charset", "utf-8").lower() != "utf-8" or options:
        return body  # MLflow responds with status 415
    try:
        return READERS[media_type](body, columns, limits) if media_type in READERS else body
    except (RecursionError, MemoryError):
        reason = "the body is nested too deeply, or needs too much memory"
        new = errors.RequestError(400, "BAD_ROWS", f"The rows cannot be scored: {reason}.")
    except errors.RequestError as error:
        new = errors.RequestError(error.status, error.code, error.message)
    raise new  # without the traceback of the original error, which keeps the rows in memory


def _json(body: bytes, columns: Sequence[str], limits: BodyLimits) -> bytes:
    containers = body.count(b"{") + body.count(b"[") - errors.MAX_COLUMNS
    errors.check_row_count(containers // CONTAINERS_PER_ROW, limits.max_rows)
    errors.check_row_count(body.count(b",") // VALUES_PER_ROW, limits.max_rows)
    try:
        content = json.loads(body)
    except ValueError:
        return body  # MLflow reports that it is invalid
    formats = [name for name in FORMATS if isinstance(content, dict) and name in content]
    if len(formats) != 1:
        errors.reject_rows(errors.ONE_FORMAT_REASON)
    name, rows = formats[0], content[formats[0]]
    if len(content) > 1:  # other keys could make MLflow use the whole object as data frame
        body = json.dumps({name: rows}).encode()
    if name == "dataframe_split":
        return _split(body, rows, columns, limits)
    if isinstance(rows, dict) and name == "inputs":
        return _inputs_by_column(rows, columns, limits)
    return _records(body, name, rows, columns, limits)


def _records(
    body: bytes, name: str, rows: Any, columns: Sequence[str], limits: BodyLimits
) -> bytes:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        errors.reject_rows(f"{name} must be a list of objects, one object per row")
    errors.check_row_count(len(rows), limits.max_rows)
    names = set().union(*rows)
    errors.check_column_count(len(names))
    used = [column for column in columns if column in names]
    if name == "dataframe_records" and len(used) == len(names):
        return body
    return _to_split(used, [[row.get(column) for column in used] for row in rows])


def _split(body: bytes, frame: Any, columns: Sequence[str], limits: BodyLimits) -> bytes:
    parts = frame if isinstance(frame, dict) else {}
    names, rows, index = parts.get("columns"), parts.get("data"), parts.get("index")
    if (
        not isinstance(names, list)
        or not isinstance(rows, list)
        or not all(isinstance(name, str) for name in names)
        or not all(isinstance(row, list) and len(row) == len(names) for row in rows)
        or not (index is None or (isinstance(index, list) and len(index) == len(rows)))
        or set(parts) - {"columns", "data", "index"}
    ):
        errors.reject_rows("dataframe_split must have columns, and rows of the same length")
    errors.check_row_count(len(rows), limits.max_rows)
    errors.check_column_count(len(names))
    places = [names.index(column) for column in columns if column in names]
    if len(places) == len(names):
        return body
    return _to_split([names[i] for i in places], [[row[i] for i in places] for row in rows])


def _inputs_by_column(
    values: Mapping[str, Any], columns: Sequence[str], limits: BodyLimits
) -> bytes:
    errors.check_column_count(len(values))
    used = [column for column in columns if column in values]
    lists = [values[c] if isinstance(values[c], list) else [values[c]] for c in used]
    errors.check_row_count(max(map(len, lists), default=0), limits.max_rows)
    if len(set(map(len, lists))) > 1:
        errors.reject_rows("inputs must have the same number of values for each column")
    return _to_split(used, [list(row) for row in zip(*lists, strict=True)])


def _to_split(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    content = {"dataframe_split": {"columns": names, "data": rows}}
    dump = functools.partial(json.dumps, content, separators=(",", ":"))
    try:
        return dump(ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which must be escaped
        return dump().encode()


def _csv(body: bytes, columns: Sequence[str], limits: BodyLimits) -> bytes:
    commas = 0  # since the start of the current row

    def limited_lines() -> Iterator[str]:
        nonlocal commas
        for line in io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", newline=""):
            commas += line.count(",")
            errors.check_column_count(commas)
            yield line

    output, places, names, rows = io.StringIO(), [0], 0, 0
    writer = csv.writer(output)
    try:
        for cells in csv.reader(limited_lines(), strict=True):
            commas = 0
            if cells and not names:
                names = len(cells)
                errors.check_column_count(names)
                places = [cells.index(name) for name in columns if name in cells] or [0]
            elif cells:
                rows += 1
                errors.check_row_count(rows, limits.max_rows)
                if len(cells) > names:
                    errors.reject_rows("a row has more cells than the header")
                cells += [""] * (names - len(cells))
            if cells:
                writer.writerow([cells[place] for place in places])
    except UnicodeDecodeError:
        return body  # MLflow reports that it is not UTF-8
    except csv.Error:
        errors.reject_rows("the body cannot be read as CSV with these columns")
    return output.getvalue().encode()


def _parquet(body: bytes, columns: Sequence[str], limits: BodyLimits) -> bytes:
    return parquet_limits.rewrite_parquet(body, columns, limits.max_rows, limits.max_bytes)


READERS = {JSON: _json, CSV: _csv, PARQUET: _parquet}

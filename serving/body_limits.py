"""What a request's body may make a worker build, limited before MLflow makes a data frame of it.

A small body can mean a large data frame: rows with different columns, compressed Parquet, one long
text beside many short ones. `limited` refuses such bodies and drops columns that the model does not
use, so that the memory that a body needs is in proportion to `Limits`.
"""

import csv
import functools
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving import parquet_limits
from serving.errors import (
    MAX_COLUMNS,
    RequestError,
    check_column_count,
    check_row_count,
    reject_rows,
)

# of a JSON body, before it is parsed: a list or an object for each row, with some to spare, and
# values, of which each may take a hundred times the memory of its comma
CONTAINERS_PER_ROW, VALUES_PER_ROW = 2, 16
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FORMATS = ("dataframe_records", "dataframe_split", "instances", "inputs")


@dataclass(frozen=True)
class BodyLimits:
    """The most rows of a body, and the most bytes that it may have after decompression."""

    rows: int
    size: int


def apply_limits(
    body: bytes, content_type: str, columns: Sequence[str], limits: BodyLimits
) -> bytes:
    """The body, or an equivalent one of the columns that the model uses.

    What is not valid is returned unchanged if MLflow refuses it without building a data frame.

    Raises:
        Refusal: it has too many rows, columns or bytes, or no rows of the kind that it should.
    """
    kind, *parameters = map(str.strip, content_type.split(";"))
    options = dict(parameter.partition("=")[::2] for parameter in parameters)
    if options.pop("charset", "utf-8").lower() != "utf-8" or options:
        return body  # MLflow answers with 415
    try:
        return READERS[kind](body, columns, limits) if kind in READERS else body
    except (RecursionError, MemoryError):
        reason = "it is nested too deeply, or needs too much memory"
        refusal = RequestError(400, "BAD_ROWS", f"The rows cannot be scored: {reason}.")
    except RequestError as error:
        refusal = RequestError(error.status, error.code, error.message)
    raise refusal  # a new one, as the traceback of the old one keeps all that was read


def _json(body: bytes, columns: Sequence[str], limits: BodyLimits) -> bytes:
    containers = body.count(b"{") + body.count(b"[") - MAX_COLUMNS
    check_row_count(containers // CONTAINERS_PER_ROW, limits.rows)
    check_row_count(body.count(b",") // VALUES_PER_ROW, limits.rows)
    try:
        content = json.loads(body)
    except ValueError:
        return body  # MLflow says that it is not valid
    formats = [name for name in FORMATS if isinstance(content, dict) and name in content]
    if len(formats) != 1:
        reject_rows(
            "the JSON must be an object with just one of dataframe_records, dataframe_split, "
            "instances and inputs"
        )
    name, rows = formats[0], content[formats[0]]
    if len(content) > 1:  # with some other names MLflow takes all of it for a data frame
        body = json.dumps({name: rows}).encode()
    if name == "dataframe_split":
        return _split(body, rows, columns, limits)
    if isinstance(rows, dict) and name == "inputs":
        return _by_column(rows, columns, limits)
    return _records(body, name, rows, columns, limits)


def _records(
    body: bytes, name: str, rows: Any, columns: Sequence[str], limits: BodyLimits
) -> bytes:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        reject_rows(f"{name} must be a list of objects, one a row")
    check_row_count(len(rows), limits.rows)
    names = set().union(*rows)
    check_column_count(len(names))
    known = [column for column in columns if column in names]
    if name == "dataframe_records" and len(known) == len(names):
        return body
    return _as_split(known, [[row.get(column) for column in known] for row in rows])


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
        reject_rows("dataframe_split must be an object with columns and data, and a value for each")
    check_row_count(len(rows), limits.rows)
    check_column_count(len(names))
    places = [names.index(column) for column in columns if column in names]
    if len(places) == len(names):
        return body
    return _as_split([names[at] for at in places], [[row[at] for at in places] for row in rows])


def _by_column(values: Mapping[str, Any], columns: Sequence[str], limits: BodyLimits) -> bytes:
    check_column_count(len(values))
    known = [column for column in columns if column in values]
    lists = [values[c] if isinstance(values[c], list) else [values[c]] for c in known]
    check_row_count(max(map(len, lists), default=0), limits.rows)
    if len(set(map(len, lists))) > 1:
        reject_rows("inputs must have as many values for each column")
    return _as_split(known, [list(row) for row in zip(*lists, strict=True)])


def _as_split(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    content = {"dataframe_split": {"columns": names, "data": rows}}
    shortest = functools.partial(json.dumps, content, separators=(",", ":"))
    try:
        return shortest(ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can stand for
        return shortest().encode()


def _csv(body: bytes, columns: Sequence[str], limits: BodyLimits) -> bytes:
    lines = _Lines(io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", newline=""))
    kept, places, names, rows = io.StringIO(), [0], 0, 0
    writer = csv.writer(kept)
    try:
        for cells in csv.reader(lines, strict=True):
            lines.commas = 0
            if cells and not names:
                names = len(cells)
                check_column_count(names)
                places = [cells.index(name) for name in columns if name in cells] or [0]
            elif cells:
                rows += 1
                check_row_count(rows, limits.rows)
                if len(cells) > names:
                    reject_rows("a row has more cells than there are columns")
                cells += [""] * (names - len(cells))
            if cells:
                writer.writerow([cells[place] for place in places])
    except UnicodeDecodeError:
        return body  # MLflow says that it is not UTF-8
    except csv.Error:
        reject_rows("the body cannot be read as CSV with these columns")
    return kept.getvalue().encode()


class _Lines:
    """The lines of a text for a CSV reader, as long as the reader's row has few enough columns."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = text
        self.commas = 0  # since the row began

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.commas += line.count(",")
            check_column_count(self.commas)
            yield line


def _parquet(body: bytes, columns: Sequence[str], limits: BodyLimits) -> bytes:
    return parquet_limits.rewrite_parquet(body, columns, limits.rows, limits.size)


READERS = {JSON: _json, CSV: _csv, PARQUET: _parquet}

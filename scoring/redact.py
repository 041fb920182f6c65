"""Remove the values of rows from a server's error message: MLflow repeats them there."""

import json
import re

import pyarrow as pa

MAX_ROWS = 100  # replace single values only if the request has at most this many rows
NO_REASON = "no reason given"


def redact_response(text: str, rows: pa.Table) -> str:
    """Return the reason in an error response on one line, without the values of these rows."""
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return NO_REASON
    return redact_values(message.rpartition("\nError: ")[2], rows)


def redact_values(reason: str, rows: pa.Table) -> str:
    """Return a model's error message on one line, without the values of these rows."""
    reason = " ".join(reason.split())
    if "Failed to predict data" in reason:  # the rows are repeated in an unknown form
        return NO_REASON
    reason = "".join(c for c in reason if c.isprintable())  # no control codes for the terminal
    for value in _values(rows):
        reason = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", reason)
    column_names = set(rows.column_names)
    reason = re.sub(
        r"'([^']*)'|\"([^\"]*)\"",
        lambda quoted: quoted[0] if (quoted[1] or quoted[2]) in column_names else "'…'",
        reason,
    )
    return reason[:200].rstrip(". ")


def _values(rows: pa.Table) -> list[str]:
    """Return the values of the rows as a message may spell them, the longest first."""
    if rows.num_rows > MAX_ROWS:
        return []
    values = {value for column in rows.columns for value in column.to_pylist()} - {None}
    texts = {f"{value:g}" for value in values if isinstance(value, float)} | set(map(str, values))
    texts |= {f"{value:.0f}" for value in values if isinstance(value, float)}
    return sorted(texts - set(rows.column_names) - {""}, key=len, reverse=True)

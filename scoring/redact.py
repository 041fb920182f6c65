"""What a server says of rows that it refuses, without the rows: MLflow's errors echo them."""

import json
import re

import pyarrow as pa

FEW = 100  # rows, canaries and those that a refusal is about


def redact_response(text: str, rows: pa.Table) -> str:
    """A refusal's reason in one line, without what the server echoes of these rows."""
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"
    return redact_values(message.rpartition("\nError: ")[2], rows)


def redact_values(reason: str, rows: pa.Table) -> str:
    """A model's error in one line, without what these rows hold."""
    reason = " ".join(reason.split())
    if "Failed to predict data" in reason:  # an echo in a form that we do not know
        return "no reason given"
    reason = "".join(c for c in reason if c.isprintable())  # nothing that a terminal obeys
    for value in _values(rows):
        reason = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", reason)
    known = set(rows.column_names)
    reason = re.sub(
        r"'([^']*)'|\"([^\"]*)\"",
        lambda quoted: quoted[0] if (quoted[1] or quoted[2]) in known else "'…'",
        reason,
    )
    return reason[:200].rstrip(". ")


def _values(rows: pa.Table) -> list[str]:
    """What few rows hold, as a message may spell it, the longest first; of many nothing is told."""
    if rows.num_rows > FEW:
        return []
    values = {value for column in rows.columns for value in column.to_pylist()} - {None}
    shown = {f"{value:g}" for value in values if isinstance(value, float)} | set(map(str, values))
    shown |= {f"{value:.0f}" for value in values if isinstance(value, float)}
    return sorted(shown - set(rows.column_names) - {""}, key=len, reverse=True)

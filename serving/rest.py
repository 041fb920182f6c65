"""One REST call to a served model, and what can go wrong with it.

EndpointError            between us and the endpoint
├── Unreachable          no connection, or it broke
├── TimedOut             no answer in time; the server may still be at work on it
├── Refused              an answer other than 200
│   └── RowsRefused      400: rows it cannot read, or a model that fails on them
├── Garbled              200, but not one probability a row
└── WrongVersion         another version answers than the one that was asked for
"""

import io
import json
import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import requests

from console import UserError

PARQUET = "application/vnd.apache.parquet"  # keeps doubles and nulls exact, and is quick to read


class EndpointError(UserError):
    """The endpoint did not answer as it should."""

    exit_code = 4


class Unreachable(EndpointError):
    """There is no connection to the endpoint, or it broke."""


class TimedOut(EndpointError):
    """The endpoint did not answer in time."""


class Refused(EndpointError):
    """The endpoint answered with a status other than 200."""


class RowsRefused(Refused):
    """The endpoint answered 400; `reason` is its message without the rows it echoes."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class Garbled(EndpointError):
    """The endpoint answered 200 with something other than a probability a row."""


class WrongVersion(EndpointError):
    """The canary rows were not answered as the version answers them."""


@dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds."""

    connect: float = 5.0
    read: float = 90.0  # beyond the server's own limit of 60, so that its 504 comes first


class Endpoint:
    """A served model at an address such as http://127.0.0.1:5001."""

    def __init__(self, url: str, timeouts: Timeouts | None = None) -> None:
        self.url = url.rstrip("/").removesuffix("/invocations")
        limits = timeouts or Timeouts()
        self._timeout = (limits.connect, limits.read)
        self._session = requests.Session()
        if not re.match(r"https?://[^/]", self.url):
            raise UserError(
                f"{url!r} is not the address of an endpoint: give one like http://127.0.0.1:5001."
            )

    def predict(self, rows: pa.Table) -> np.ndarray:
        """The probability of the positive class for each row, of shape (rows,).

        Raises:
            EndpointError: one of the kinds drawn above; it never holds a row's values.
        """
        try:
            answer = self._session.post(
                f"{self.url}/invocations",
                data=_body(rows),
                headers={"Content-Type": PARQUET},
                timeout=self._timeout,
            )
        except requests.Timeout as error:
            raise TimedOut(
                f"{self.url} gave no answer within {self._timeout[1]:.0f} seconds: "
                "see whether it is overloaded, or ask for less with --batch-size."
            ) from error
        except requests.RequestException as error:
            raise Unreachable(
                f"No model answers at {self.url} ({_kind(error)}): start one with "
                "`mlflow models serve`, or name another with --endpoint."
            ) from error
        if answer.status_code != 200:
            raise self._refusal(answer, rows.column_names)
        return self._probabilities(answer, rows.num_rows)

    def _refusal(self, answer: requests.Response, columns: Collection[str]) -> Refused:
        said = f"{self.url} answered {answer.status_code}"
        if answer.status_code == 400:
            reason = without_echo(answer.text, columns)
            return RowsRefused(f"{said}: {reason}.", reason)
        elsewhere = answer.status_code in (404, 405)
        hint = "give a served model's address with --endpoint" if elsewhere else "see its log"
        return Refused(f"{said} ({answer.reason}) to the rows sent to it: {hint}.")

    def _probabilities(self, answer: requests.Response, rows: int) -> np.ndarray:
        what = f"{self.url} answered with"
        try:
            found = answer.json()
        except (requests.JSONDecodeError, UnicodeDecodeError) as error:
            raise Garbled(f"{what} something that is not JSON: is it a served model?") from error
        predictions = found.get("predictions") if isinstance(found, dict) else None
        try:
            pairs = np.asarray(predictions, dtype=np.float64)
        except (TypeError, ValueError):
            pairs = np.empty(0)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise Garbled(
                f"{what} JSON that holds no pair of probabilities for each row: "
                "serve a version that this project's train.py registered."
            )
        if len(pairs) != rows:
            raise Garbled(f"{what} {len(pairs):,} predictions for {rows:,} rows; see its log.")
        probabilities = pairs[:, 1]
        if not ((probabilities >= 0) & (probabilities <= 1)).all():  # false for NaN too
            raise Garbled(f"{what} numbers that are no probabilities between 0 and 1; see its log.")
        return probabilities


def without_echo(text: str, columns: Collection[str]) -> str:
    """A refusal's reason in one line, without the rows and values that the server echoes."""
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"
    reason = " ".join(message.rpartition("\nError: ")[2].split())
    if "Failed to predict data" in reason:  # an echo in a form that we do not know
        return "no reason given"
    known = set(columns)
    reason = re.sub(
        r"'([^']*)'|\"([^\"]*)\"",
        lambda quoted: quoted[0] if (quoted[1] or quoted[2]) in known else "'…'",
        reason,
    )
    return reason[:200].rstrip(". ")


def _body(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="none")
    return buffer.getvalue()


def _kind(error: Exception) -> str:
    words = {"ConnectionError": "no connection", "ChunkedEncodingError": "its answer broke off"}
    return words.get(type(error).__name__, type(error).__name__)

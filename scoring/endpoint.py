"""One REST call to a served model."""

import io
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import requests
from urllib3.exceptions import HTTPError, InvalidHeader, ProtocolError, ReadTimeoutError
from urllib3.util import Retry

import cli
from cli import UserError
from cli.terminal import print_message
from scoring.errors import (
    EndpointError,
    Faulty,
    Refused,
    RowsRefused,
    TimedOut,
    TooLarge,
    TransientError,
    Unavailable,
    WrongVersion,
)
from scoring.redact import redact_response

PIECE = 2**16  # bytes of an answer at a time
ANSWER_BYTES, BYTES_A_ROW = 2**18, 128  # that an answer may have: two doubles take at most 60
PARQUET = "application/vnd.apache.parquet"  # keeps doubles and nulls exact, and is quick to read

PAIRS = pa.list_(pa.float64(), 2)
SUM_TOLERANCE = 1e-9  # of scikit-learn's doubles add up to 1 but for their last bits

ANY_VERSION: Mapping[str, str] = {}
OTHER_VERSION = "serve that version there, or name the one that it serves with --model"


@dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds."""

    connect: float = 5.0
    read: float = 90.0  # beyond the server's own limit of 60, so that its 504 comes first


class _Bearer(requests.auth.AuthBase):
    """A token in each request; told as `auth`, else ~/.netrc would overrule it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class ModelEndpoint:
    """A served model at an address such as http://127.0.0.1:5001; any thread may ask it."""

    def __init__(self, url: str, timeouts: Timeouts | None = None, token: str = "") -> None:
        """`token`: for an endpoint that asks for one, such as serve.py with --tokens."""
        self._url = url.strip().rstrip("/").removesuffix("/invocations")
        try:
            parts = urlsplit(self._url)
        except ValueError:  # half of an IPv6 address
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise UserError(
                f"The --endpoint {url.rpartition('@')[2].partition('?')[0]!r} is not an address of "
                "an endpoint, or has a query: give one like http://127.0.0.1:5001."
            )
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # no password
        limits = timeouts or Timeouts()
        self._timeout = (limits.connect, limits.read)
        self._session = requests.Session()
        here = cli.is_loopback(parts.hostname)
        self._proxies = {"no_proxy": parts.hostname} if here else None  # beside the environment's
        secret = token or parts.password or requests.utils.get_netrc_auth(self._url)
        if secret and parts.scheme == "http" and not here:
            print_message(
                f"{self.url} is another machine and has no TLS: whoever is between can read the "
                "token or password, and the rows. Use https, or a tunnel."
            )
        if token := token.strip():  # a file's last line end, as a rule
            if not re.fullmatch("[!-~]+", token):
                raise UserError("ENDPOINT_TOKEN holds what no token does: see what it is.")
            self._session.auth = _Bearer(token)

    def predict(self, rows: pa.Table, identity: Mapping[str, str] = ANY_VERSION) -> np.ndarray:
        """The probability of the positive class for each row, of shape (rows,).

        `identity` are headers that tell a server such as serve.py which version is to answer, and
        that its answer, where it has them, must repeat.

        Raises:
            EndpointError: one of the kinds in serving/errors.py; it never holds a row's values.
        """
        try:
            with self._session.post(
                f"{self._url}/invocations",
                data=_body(rows),
                # no compressed answer: a few bytes may stand for gigabytes, or for nothing, forever
                headers={"Content-Type": PARQUET, "Accept-Encoding": "identity", **identity},
                timeout=self._timeout,
                proxies=self._proxies,
                allow_redirects=False,  # they would make a GET of it
                stream=True,
            ) as answer:
                content = self._content(answer, ANSWER_BYTES + BYTES_A_ROW * rows.num_rows)
        except (requests.RequestException, HTTPError) as error:
            raise self._failure(error) from error
        except OSError as error:  # which requests raises for a file of certificates that is missing
            raise Refused(
                f"{self.url} cannot be asked ({error}): correct REQUESTS_CA_BUNDLE or "
                "CURL_CA_BUNDLE, or unset it."
            ) from error
        if answer.status_code != 200:
            raise self._refusal(answer, content, rows)
        for name, wanted in identity.items():
            if (found := answer.headers.get(name, wanted)) != wanted:
                raise WrongVersion(
                    f"{self.url} answered as {' '.join(found.split())[:100]}, not as {wanted}: "
                    f"{OTHER_VERSION}."
                )
        return self._probabilities(content, rows.num_rows)

    def _content(self, answer: requests.Response, limit: int) -> bytes:
        """The body, whole within the time: requests' own limit is for each piece of it.

        Of an error's text no more than the limit in bytes is read.
        """
        is_answer = answer.status_code == 200
        if is_answer and answer.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
            raise Faulty(f"{self.url} answered compressed, which it was not asked for.")
        deadline = time.monotonic() + self._timeout[1]
        content = bytearray()
        while piece := answer.raw.read1(PIECE, decode_content=False):
            content += piece
            if time.monotonic() > deadline:
                raise requests.ReadTimeout
            if len(content) > limit:
                if is_answer:
                    raise Faulty(
                        f"{self.url} answered with more than {limit:,} bytes; see its log."
                    )
                break
        return bytes(content)

    def _failure(self, error: requests.RequestException | HTTPError) -> EndpointError:
        """The error for a request that got no answer; urllib3's own come from reading a body."""
        if isinstance(error, requests.ReadTimeout | ReadTimeoutError):
            return TimedOut(
                f"{self.url} gave no answer within {self._timeout[1]:g} seconds: see whether it is "
                "overloaded, ask for less with --batch-size, or wait longer with --timeout."
            )
        if isinstance(error, requests.exceptions.SSLError):
            return Refused(f"{self.url} has no certificate that is trusted here: see its address.")
        if isinstance(error, requests.ConnectionError | ProtocolError):
            broke = isinstance(error, ProtocolError)
            what = "its answer broke off" if broke else "no connection"
            return Unavailable(
                f"No model answers at {self.url} ({what}): start one with `mlflow models serve`, "
                "or name another with --endpoint."
            )
        kind = type(error).__name__
        return Refused(f"{self.url} cannot be asked ({kind}): give another with --endpoint.")

    def _refusal(self, answer: requests.Response, content: bytes, rows: pa.Table) -> EndpointError:
        status, said = answer.status_code, f"{self.url} answered {answer.status_code}"
        if status == 400:
            reason = redact_response(content.decode(errors="replace"), rows)
            return RowsRefused(f"{said}: {reason}.", reason)
        kind, hint = STATUSES.get(status, (Refused, ELSEWHERE))
        named = " ".join(answer.reason.split())[:60] if answer.reason else "no reason given"
        error = kind(f"{said} ({named}) to the rows sent to it: {hint}.")
        if isinstance(error, TransientError):
            error.retry_after = _retry_after(answer)
        return error

    def _probabilities(self, content: bytes, rows: int) -> np.ndarray:
        what = f"{self.url} answered with"
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Faulty(f"{what} something that is not JSON: is it a served model?") from error
        predictions = found.get("predictions") if isinstance(found, dict) else None
        try:
            pairs = pa.array(predictions, PAIRS)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise Faulty(
                f"{what} JSON that holds no pair of probabilities for each row: "
                "serve a version that this project's train.py registered."
            ) from error
        if len(pairs) != rows:
            raise Faulty(f"{what} {len(pairs):,} predictions for {rows:,} rows; see its log.")
        both = pairs.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2)
        if len(both) != rows or not ((both >= 0) & (both <= 1)).all():  # nor null, nor NaN
            raise Faulty(f"{what} numbers that are no probabilities between 0 and 1; see its log.")
        if (abs(both.sum(axis=1) - 1) > SUM_TOLERANCE).any():
            raise Faulty(f"{what} pairs of probabilities that do not add up to 1; see its log.")
        return both[:, 1].copy()


ELSEWHERE = "give a served model's address with --endpoint"
LOGIN = "give what it asks for as ENDPOINT_TOKEN, in ~/.netrc, or as https://user:password@host"
STATUSES: dict[int, tuple[type[EndpointError], str]] = {
    401: (Refused, LOGIN),
    403: (Refused, LOGIN),
    412: (WrongVersion, OTHER_VERSION),
    413: (TooLarge, "ask for less with --batch-size"),
    429: (Unavailable, "it has no room for more requests now"),
    500: (Faulty, "see its log"),
    502: (Unavailable, "see whether the model behind it is up"),
    503: (Unavailable, "see whether the model behind it is up"),
    504: (TimedOut, "see whether it is overloaded, or ask for less with --batch-size"),
}


def _retry_after(answer: requests.Response) -> float:
    """The seconds that an answer asks us to wait, by number or by date; 0 if it does not."""
    try:
        return Retry().parse_retry_after(answer.headers.get("Retry-After", "0"))
    except (InvalidHeader, OverflowError, ValueError):
        return 0.0


def _body(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="none")
    return buffer.getvalue()

"""One REST call to a served model."""

import functools
import io
import json
import re
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
from cli import UserError, one_line
from cli.terminal import print_message
from scoring.deadlines import DeadlineAdapter, time_limit
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

CHUNK_BYTES = 2**16
# the largest response that is read: a fixed part and a part per row, where two doubles need 60
RESPONSE_BYTES, RESPONSE_BYTES_PER_ROW = 2**18, 128
PARQUET = "application/vnd.apache.parquet"  # exact for doubles and nulls, and fast to read

PAIRS = pa.list_(pa.float64(), 2)
SUM_TOLERANCE = 1e-9  # two probabilities of scikit-learn add up to 1 except for rounding

ANY_VERSION: Mapping[str, str] = {}
SEE_LOG = "see the server's log"
GIVE_ENDPOINT = "give the address of a served model with --endpoint"
SEE_MODEL = "check that the model behind it is running"
LOGIN = "give the login in ENDPOINT_TOKEN, in ~/.netrc or as https://user:password@host"
SEND_LESS = "send smaller requests with --batch-size"
OTHER_VERSION = "serve that version there, or name the version that it serves with --model"


@dataclass(frozen=True)
class Timeouts:
    """How long a request waits, in seconds."""

    connect: float = 5.0
    read: float = 90.0  # longer than the server's own limit of 60, whose 504 then comes first


def _add_token(token: str, request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add a token to a request; used as `auth`, because ~/.netrc overrules a header."""
    request.headers["Authorization"] = f"Bearer {token}"
    return request


class ModelEndpoint:
    """A served model at an address such as http://127.0.0.1:5001; threads can share it."""

    def __init__(self, url: str, timeouts: Timeouts | None = None, token: str = "") -> None:
        """`token` is for an endpoint that requires one, such as serve.py with --tokens."""
        self._url = url.strip().rstrip("/").removesuffix("/invocations")
        try:
            parts = urlsplit(self._url)
        except ValueError:  # an incomplete IPv6 address
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise UserError(
                f"The --endpoint {url.rpartition('@')[2].partition('?')[0]!r} is not the address "
                "of an endpoint, or it has a query: give one like http://127.0.0.1:5001."
            )
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # no password
        timeouts = timeouts or Timeouts()
        self._timeout = (timeouts.connect, timeouts.read)
        self._session = requests.Session()
        self._session.mount(f"{parts.scheme}://", DeadlineAdapter())
        is_local = cli.is_loopback(parts.hostname)
        # added to the proxies of the environment
        self._proxies = {"no_proxy": parts.hostname} if is_local else None
        secret = token or parts.password or requests.utils.get_netrc_auth(self._url)
        if secret and parts.scheme == "http" and not is_local:
            print_message(
                f"{self.url} is another machine and has no TLS: the network between can read the "
                "token or password, and the rows; use https, or a tunnel."
            )
        if token := token.strip():  # a file usually ends with a line break
            if not re.fullmatch("[!-~]+", token):
                raise UserError(
                    "ENDPOINT_TOKEN holds characters that no token has: set it to the token alone."
                )
            self._session.auth = functools.partial(_add_token, token)

    def predict(self, rows: pa.Table, identity: Mapping[str, str] = ANY_VERSION) -> np.ndarray:
        """Return the probability of the positive class for each row, with shape (rows,).

        `identity` holds request headers that name the version which should answer. Where the
        response has the same headers, as that of serve.py does, their values must be equal.

        Raises:
            EndpointError: one of the kinds in scoring/errors.py; it never holds a row's values.
        """
        try:
            with (
                time_limit(sum(self._timeout)) as deadline,
                self._session.post(
                    f"{self._url}/invocations",
                    data=_to_parquet(rows),
                    # no compression: a small response could expand to gigabytes
                    headers={"Content-Type": PARQUET, "Accept-Encoding": "identity", **identity},
                    timeout=self._timeout,
                    proxies=self._proxies,
                    allow_redirects=False,  # a redirected POST becomes a GET
                    stream=True,
                ) as response,
            ):
                limit = RESPONSE_BYTES + RESPONSE_BYTES_PER_ROW * rows.num_rows
                content = self._read(response, limit)
            if deadline.has_passed:  # a response that was cut off may look complete
                raise requests.ReadTimeout
        except (requests.RequestException, HTTPError) as error:
            reason = requests.ReadTimeout() if deadline.has_passed else error
            raise self._request_error(reason) from error
        except OSError as error:  # raised by requests if the file of certificates is missing
            raise Refused(
                f"{self.url} cannot be called ({error}): correct or unset REQUESTS_CA_BUNDLE or "
                "CURL_CA_BUNDLE."
            ) from error
        if response.status_code != 200:
            raise self._status_error(response, content, rows)
        for name, expected in identity.items():
            if (value := response.headers.get(name, expected)) != expected:
                raise WrongVersion(
                    f"{self.url} answered as {one_line(value, 100)}, not as {expected}: "
                    f"{OTHER_VERSION}."
                )
        return self._probabilities(content, rows.num_rows)

    def _read(self, response: requests.Response, limit: int) -> bytes:
        """Read the whole body; that of an error is cut off after `limit` bytes."""
        is_ok = response.status_code == 200
        if is_ok and response.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
            raise Faulty(f"{self.url} sent a compressed response, which was not requested.")
        content = bytearray()
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
            content += chunk
            if len(content) > limit:
                if is_ok:
                    raise Faulty(f"{self.url} answered with more than {limit:,} bytes: {SEE_LOG}.")
                break
        return bytes(content)

    def _request_error(self, error: requests.RequestException | HTTPError) -> EndpointError:
        """The error for a request without a complete response; urllib3's come from the body."""
        if isinstance(error, requests.ReadTimeout | ReadTimeoutError):
            return TimedOut(
                f"{self.url} gave no answer within {self._timeout[1]:g} seconds: check whether it "
                f"is overloaded, {SEND_LESS}, or wait longer with --timeout."
            )
        if isinstance(error, requests.exceptions.SSLError):
            return Refused(f"{self.url} has no certificate trusted here: check its address.")
        if isinstance(error, requests.ConnectionError | ProtocolError):
            is_cut_off = isinstance(error, ProtocolError)
            reason = "its answer broke off" if is_cut_off else "no connection"
            return Unavailable(
                f"No model answers at {self.url} ({reason}): start one with `mlflow models serve`, "
                "or name another with --endpoint."
            )
        kind = type(error).__name__
        return Refused(f"{self.url} cannot be called ({kind}): give another with --endpoint.")

    def _status_error(
        self, response: requests.Response, content: bytes, rows: pa.Table
    ) -> EndpointError:
        status, answered = response.status_code, f"{self.url} answered {response.status_code}"
        if status == 400:
            reason = redact_response(content.decode(errors="replace"), rows)
            return RowsRefused(f"{answered}: {reason}.", reason)
        error_class, hint = STATUS_ERRORS.get(status, (Refused, GIVE_ENDPOINT))
        phrase = one_line(response.reason, 60) if response.reason else "no reason given"
        error = error_class(f"{answered} ({phrase}) to a scoring request: {hint}.")
        if isinstance(error, TransientError):
            error.retry_after = _retry_after(response)
        return error

    def _probabilities(self, content: bytes, rows: int) -> np.ndarray:
        answered = f"{self.url} answered with"
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Faulty(f"{answered} something that is not JSON: {GIVE_ENDPOINT}.") from error
        predictions = body.get("predictions") if isinstance(body, dict) else None
        try:
            pairs = pa.array(predictions, PAIRS)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise Faulty(
                f"{answered} JSON that holds no pair of probabilities for each row: "
                "serve a version that this project's train.py registered."
            ) from error
        if len(pairs) != rows:
            raise Faulty(f"{answered} {len(pairs):,} predictions for {rows:,} rows: {SEE_LOG}.")
        both: np.ndarray = pairs.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2)
        if len(both) != rows or not ((both >= 0) & (both <= 1)).all():  # also a null or NaN
            raise Faulty(
                f"{answered} numbers that are not probabilities between 0 and 1: {SEE_LOG}."
            )
        if (abs(both.sum(axis=1) - 1) > SUM_TOLERANCE).any():
            raise Faulty(f"{answered} pairs of probabilities that do not add up to 1: {SEE_LOG}.")
        return both[:, 1].copy()


STATUS_ERRORS: dict[int, tuple[type[EndpointError], str]] = {
    401: (Refused, LOGIN),
    403: (Refused, LOGIN),
    412: (WrongVersion, OTHER_VERSION),
    413: (TooLarge, SEND_LESS),
    429: (Unavailable, "it cannot take more requests now"),
    500: (Faulty, SEE_LOG),
    502: (Unavailable, SEE_MODEL),
    503: (Unavailable, SEE_MODEL),
    504: (TimedOut, f"check whether it is overloaded, or {SEND_LESS}"),
}


def _retry_after(response: requests.Response) -> float:
    """Return the seconds in a Retry-After header, a number or a date; 0 if there are none."""
    try:
        return Retry().parse_retry_after(response.headers.get("Retry-After", "0"))
    except (InvalidHeader, OverflowError, ValueError):
        return 0.0


def _to_parquet(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="none")
    return buffer.getvalue()

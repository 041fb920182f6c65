"""The errors of a call to an endpoint.

EndpointError            any failure of a call
├── TransientError       the same request may succeed later
│   ├── Unavailable      no connection, a broken connection, or status 429, 502 or 503
│   ├── TimedOut         no response in time, or status 504; the server may still be working
│   ├── Faulty           status 500, or a response without a valid probability for each row
│   └── WrongVersion     status 412, or another model version answered
├── TooLarge             status 413
└── Refused              any other status
    └── RowsRefused      status 400: the server cannot read the rows, or the model fails on them
"""

from cli import UserError


class EndpointError(UserError):
    """A call to the endpoint failed."""

    exit_code = 4


class TransientError(EndpointError):
    """The same request may succeed later, after `retry_after` seconds if the server said so."""

    retry_after = 0.0


class Unavailable(TransientError):
    """The endpoint cannot be reached, or it is too busy to answer."""


class TimedOut(TransientError):
    """The endpoint did not answer in time."""


class Faulty(TransientError):
    """The endpoint failed, or its response holds no valid probability for each row."""


class WrongVersion(TransientError):
    """Another model version answered, according to its headers or to the canary rows."""


class TooLarge(EndpointError):
    """The endpoint does not accept a request of this size."""


class Refused(EndpointError):
    """The endpoint rejects the request, and would reject it again."""


class RowsRefused(Refused):
    """The endpoint returned 400; `reason` is its message without the values of the rows."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason

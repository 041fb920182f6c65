"""What can go wrong between us and an endpoint.

EndpointError            between us and the endpoint
├── Passing              the same request may succeed later
│   ├── Unavailable      no connection, or it broke, or the endpoint says so: 429, 502, 503
│   ├── TimedOut         no answer in time, or 504; the server may still be at work on it
│   ├── Faulty           500, or 200 with something other than a probability a row
│   └── WrongVersion     412, or another version answers than the one that was asked for
├── TooLarge             413
└── Refused              any other status
    └── RowsRefused      400: rows it cannot read, or a model that fails on them
"""

from cli import UserError


class EndpointError(UserError):
    """The endpoint did not answer as it should."""

    exit_code = 4


class TransientError(EndpointError):
    """What may be otherwise when asked again; `retry_after` is the wait it asks for, in seconds."""

    retry_after = 0.0


class Unavailable(TransientError):
    """There is no connection to the endpoint, or it broke, or it has no room for us now."""


class TimedOut(TransientError):
    """The endpoint did not answer in time."""


class Faulty(TransientError):
    """The endpoint failed, or answered with something other than a probability a row."""


class WrongVersion(TransientError):
    """Another version answers: its headers say so, or how it answers the canary rows."""


class TooLarge(EndpointError):
    """The endpoint takes no request of this size."""


class Refused(EndpointError):
    """The endpoint will not answer such a request, however often it is asked."""


class RowsRefused(Refused):
    """The endpoint answered 400; `reason` is its message without the rows it echoes."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason

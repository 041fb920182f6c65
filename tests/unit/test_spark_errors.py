"""The exception of a Python worker is read from its formatted traceback."""

import traceback

import pytest

from spark.errors import parse_worker_exception


class WorkerError(Exception):
    """An exception of a worker."""


def fail(error: Exception, cause: Exception | None = None) -> str:
    """The formatted traceback of an exception with a cause."""
    try:
        raise error from cause
    except Exception:
        return traceback.format_exc()


CASES = {
    "a class of a module": (
        fail(WorkerError("offer-click/3 fails: see its log")),
        f"{__name__}.WorkerError",
        "offer-click/3 fails: see its log",
    ),
    "a built-in class": (fail(ValueError("no")), "ValueError", "no"),
    "a cause": (fail(ValueError("last"), KeyError("first")), "ValueError", "last"),
    "a message of several lines": (
        fail(ImportError("no DLL\n\nsee: docs")),
        "ImportError",
        "no DLL",
    ),
    "a traceback in the message": (
        fail(RuntimeError("Caused by " + fail(ImportError("no DLL")))),
        "ImportError",
        "no DLL",
    ),
    "no message": (fail(ValueError()), "ValueError", ""),
    "a hidden traceback": ("ValueError: no\n", "ValueError", "no"),
    "nothing": ("", "", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_class_and_message_are_those_of_the_last_exception(case: str) -> None:
    text, name, message = CASES[case]
    assert parse_worker_exception(text) == (name, message)

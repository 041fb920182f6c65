"""What all scripts share: errors, exit codes and signals."""

import errno
import ipaddress
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from cli.proxies import bypass_proxies_for_loopback
from cli.signals import raise_on_stop_signals
from cli.signals import stop_gracefully as stop_gracefully

VERSION = "0.2.0"  # must equal the version in pyproject.toml
EXIT_REFUSED = 3  # the promotion gate refused the challenger; the champion stays
EXIT_NO_CHAMPION = 6  # the promotion gate refused the challenger, and there is no champion


class UserError(Exception):
    """An error that the user can fix; its text is one sentence, printed without a traceback."""

    exit_code = 2

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code or self.exit_code


def yes_or_no(value: bool) -> str:
    """Format the value of a boolean flag."""
    return "yes" if value else "no"


def format_flags(**values: str) -> str:
    """Format flags for a command line, with a space before each; empty values are left out."""
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in values.items() if value)


def one_line(text: str, limit: int = 300) -> str:
    """Join lines, shorten the text to `limit` characters, and remove the period at its end.

    Control characters are escaped: a server's text must not change what the terminal shows.
    """
    return escape_control_characters(textwrap.shorten(text, limit, placeholder=" …").rstrip("."))


def is_running(pid: int) -> bool:
    """Return whether this machine has a process with this id."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # the process belongs to another user
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to a server that listens on this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_and_port(host: str, port: int) -> str:
    """Format a host and a port for a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def run(main: Callable[[], int]) -> NoReturn:
    """Run a script's `main`, print a `UserError` as one line, and exit with the right code."""
    raise_on_stop_signals()
    bypass_proxies_for_loopback()
    try:
        with _translate_path_errors():
            code = main()
    except UserError as error:
        print(f"error: {escape_control_characters(str(error))}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:  # the reader of our output has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        code = 130
    sys.exit(code)


@contextmanager
def _translate_path_errors() -> Iterator[None]:
    """Raise UserError for a path that the operating system or a database cannot use."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
        raise UserError(
            f"The path {error.filename} cannot be used ({error.strerror}): choose another one."
        ) from error
    except UnicodeEncodeError as error:
        if error.reason != "surrogates not allowed":  # Python decodes invalid bytes to surrogates
            raise
        raise UserError(
            "A path or a flag is not valid UTF-8: rename that file or folder."
        ) from error


def escape_control_characters(text: str) -> str:
    """Escape line breaks and other control characters, which a path or a response may contain."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

"""What the person at the keyboard meets: one-sentence errors, exit codes, shared flags."""

import argparse
import errno
import ipaddress
import math
import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from cli.proxies import bypass_proxies_for_loopback

VERSION = "0.2.0"  # pyproject.toml has the same
EXIT_REFUSED = 3  # the exit code of the gate
WEEK = 7 * 24 * 60 * 60  # seconds
# not in a docstring, which is gone with PYTHONOPTIMIZE=2
EXIT_CODES = """\
Every script ends with one of these codes:

    0    done
    1    a fault of this program (a traceback is shown; please report it)
    2    something given to it is wrong: a flag, a file, a database, a registry
    3    the challenger was refused; the champion stays
    4    the endpoint does not answer, or not as the chosen version does
    5    not everything was scored, or the counts do not agree
    130  stopped by Ctrl-C
    141  whoever read its output has left
    143  stopped by SIGTERM

A scoring client that is asked to stop first stores what is in flight; asked twice, it does not.
"""


class UserError(Exception):
    """Something the user can mend; its text is one sentence: tried, found, what to do."""

    exit_code = 2


def argument_parser(doc: str | None, *, database: bool = True) -> argparse.ArgumentParser:
    """A script's argument parser: its docstring as help, and the flags all scripts share."""
    made = argparse.ArgumentParser(
        description=doc,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"Loan Offers {VERSION}")
    made.add_argument(
        "--problem",
        default="",
        help="a problem's name, or the path of its folder (default: the project's own)",
    )
    if database:
        made.add_argument(
            "--database",
            default="",
            metavar="URL",
            help="sqlite:///file.db, a file's path, or postgresql://user@host/name "
            "(default: $DATABASE_URL, else even_financial.db in the current folder)",
        )
    return made


def add_yes_no_flag(to: argparse.ArgumentParser, flag: str, help: str) -> None:
    """Add a boolean flag that works bare (`--add`) and with yes or no, as MLproject needs."""
    to.add_argument(
        flag, nargs="?", const=True, default=False, type=_boolean, metavar="yes|no", help=help
    )


def yes_or_no(value: bool) -> str:
    """The value of a boolean flag as text."""
    return "yes" if value else "no"


def _boolean(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text == "yes"


def fraction(text: str) -> float:
    """Parse a flag's value that must lie between 0 and 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
    return value


def finite_number(text: str) -> float:
    """Parse a flag's value that must be a number, and neither infinite nor none."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{value} is no number to compare with")
    return value


def seconds(text: str) -> float:
    """Parse a flag's value that must be a number of seconds, from 0 to a week."""
    value = float(text)
    if not 0 <= value <= WEEK:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and {WEEK}, a week")
    return value


def positive_seconds(text: str) -> float:
    """Parse a flag's value that must be a number of seconds, and more than none."""
    if (value := seconds(text)) == 0:
        raise argparse.ArgumentTypeError("0 seconds are none")
    return value


def at_least(minimum: int, maximum: int = 2**31) -> Callable[[str], int]:
    """A parser of a flag's value that must be a whole number, not less than this, nor more."""

    def whole_number(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{value} is less than {minimum}")
        if value > maximum:
            raise argparse.ArgumentTypeError(f"{value} is more than {maximum}")
        return value

    return whole_number


def one_line(text: str, limit: int = 300) -> str:
    """The text on one line, shortened to `limit` characters, without a period at its end."""
    return textwrap.shorten(text, limit, placeholder=" …").rstrip(".")


def is_running(pid: int) -> bool:
    """Is there such a process on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def is_loopback(host: str) -> bool:
    """Can only this machine reach what listens on this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_and_port(host: str, port: int) -> str:
    """A host and a port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass
class StopRequest:
    """Whether SIGINT or SIGTERM has asked us to stop; `signal` is its number."""

    requested: threading.Event = field(default_factory=threading.Event)
    signal_number: int = 0

    @property
    def exit_code(self) -> int:
        """The code to exit with if asked to stop, else 0."""
        return 128 + self.signal_number if self.requested.is_set() else 0


@contextmanager
def stop_gracefully() -> Iterator[StopRequest]:
    """The first SIGINT or SIGTERM only asks the body to finish what is begun; a second stops it."""
    stop = StopRequest()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _frame: object) -> None:
        restore()
        stop.signal_number = number
        stop.requested.set()
        # not print: the signal may have come in the middle of one
        os.write(2, b"\nFinishing what is in flight; once more stops at once.\n")

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as a shell asks of what it starts in the background
            signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()


def run(main: Callable[[], int]) -> NoReturn:
    """Run a script's `main` and exit with its code, a user's mistake as one sentence."""

    def stop(signum: int, _frame: object) -> NoReturn:
        threading.excepthook = lambda _args: None  # threads that our end cuts off tell nothing new
        if signum == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + signum)  # an exception, so that every `finally` still runs

    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not told to ignore it
        signal.signal(signal.SIGINT, stop)
    bypass_proxies_for_loopback()
    try:
        with _usable_paths():
            code = main()
    except UserError as error:
        print(f"error: {_on_one_line(str(error))}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:  # whoever read our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        code = 130
    sys.exit(code)


@contextmanager
def _usable_paths() -> Iterator[None]:
    """Raises UserError for a path that no system call or no database takes."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
        raise UserError(
            f"The path {error.filename} cannot be used ({error.strerror}): give another one."
        ) from error
    except UnicodeEncodeError as error:
        if error.reason != "surrogates not allowed":  # Python's way to keep other bytes of a name
            raise
        raise UserError("A path or a flag is not UTF-8: rename that file or folder.") from error


def _on_one_line(text: str) -> str:
    """The text with line breaks and other control characters, which a path may have, escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

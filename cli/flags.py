"""The flags of the scripts: the parser that all share, and the types of numbers."""

import argparse
import math
import re
import textwrap
from collections.abc import Callable

from cli import VERSION

SECONDS_PER_WEEK = 7 * 24 * 60 * 60
# This text is not a docstring, because PYTHONOPTIMIZE=2 removes docstrings.
EXIT_CODES = """\
Exit codes (one list for all scripts; most scripts use only some of them):

    0    success
    1    an error in the program itself (with a traceback; please report it)
    2    an error that you can fix: an invalid flag or file, or a database,
         MLflow store or Spark session that cannot be used
    3    the challenger was not promoted; the champion is unchanged
    4    the endpoint failed, or the model is not the chosen version
    5    rows are still pending (without --limit), the model rejected too many
         rows, or the row counts do not add up
    6    the challenger was not promoted, and there is no champion to serve
    130  stopped by Ctrl-C
    141  the output pipe was closed, for example by `head` (SIGPIPE)
    143  stopped by SIGTERM
"""


class _Formatter(argparse.HelpFormatter):
    """Wrap text at the terminal's width, but keep indented lines, list items and words whole."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:  # noqa: ARG002
        parts = re.split(r"(\n\n|\n(?=- ))", text.strip("\n"))
        return "".join(
            part if part[:1].isspace() else "\n".join(self._split_lines(part, width))
            for part in parts
        )

    def _split_lines(self, text: str, width: int) -> list[str]:
        hanging = "  " if text.startswith("- ") else ""
        return textwrap.wrap(
            " ".join(text.split()), width, subsequent_indent=hanging, break_on_hyphens=False
        )


def argument_parser(description: str | None, *, database: bool = True) -> argparse.ArgumentParser:
    """Create a script's argument parser with the flags that all scripts share."""
    parser = argparse.ArgumentParser(
        description=description, epilog=EXIT_CODES, formatter_class=_Formatter, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"Loan Offers {VERSION}")
    problem_help = (
        "name of a folder in problems/, or path to a problem folder elsewhere (default: the one "
        "that sets is_default)"
    )
    add_flag(parser, "--problem", "NAME|DIR", problem_help)
    if database:
        database_help = (
            "SQLite file, or a URL: sqlite:///file.db or postgresql://user@host/name (default: "
            "$DATABASE_URL if set, otherwise even_financial.db in the current folder)"
        )
        add_flag(parser, "--database", "FILE|URL", database_help)
    return parser


def add_flag(
    parser: argparse.ArgumentParser,
    flag: str,
    metavar: str,
    help: str,
    default: str | float = "",
    kind: Callable[[str], str | float] = str,
) -> None:
    """Add a flag with a value; its help shows the default unless that is "" or explained there."""
    shown = "" if default == "" or "(default" in help else " (default: %(default)s)"
    parser.add_argument(flag, type=kind, default=default, metavar=metavar, help=help + shown)


def add_yes_no_flag(parser: argparse.ArgumentParser, flag: str, help: str) -> None:
    """Add a boolean flag that is given alone (`--add`) or, as in MLproject, with yes or no."""
    parser.add_argument(
        flag, nargs="?", const=True, default=False, type=_boolean, metavar="yes|no", help=help
    )


def add_source_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--source`, the files to load."""
    help = (
        "folder of source files, or a single file if the problem has only one source file "
        "(default: the problem's sample data)"
    )
    add_flag(parser, "--source", "PATH", help)


def add_address_flags(parser: argparse.ArgumentParser, port: int) -> None:
    """Add `--host` and `--port`, where a server listens."""
    add_flag(parser, "--host", "HOST", "address to listen on", "127.0.0.1")
    add_flag(parser, "--port", "PORT", "port to listen on", port, at_least(1, 65535))


def add_scoring_flags(parser: argparse.ArgumentParser, max_rejected_help: str) -> None:
    """Add the flags that both scripts have."""
    model = (
        "model version to score with: models:/name@alias or models:/name/number (default: the "
        "problem's champion)"
    )
    add_flag(parser, "--model", "URI", model)
    limit = "maximum number of rows to score; 0 scores all"
    add_flag(parser, "--limit", "N", limit, 0, at_least(0))
    add_flag(parser, "--max-rejected", "FRACTION", max_rejected_help, 0.01, fraction)
    replay = "also score the rows that this version rejected in earlier runs"
    add_yes_no_flag(parser, "--replay", replay)
    add_yes_no_flag(parser, "--dry-run", "print how many rows would be scored, and exit")


def _boolean(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return text == "yes"


def fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
    return value


def finite_number(text: str) -> float:
    """Parse a number that is neither infinite nor NaN."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{value} is not a finite number")
    return value


def seconds(text: str) -> float:
    """Parse a number of seconds from 0 to a week."""
    value = float(text)
    if not 0 <= value <= SECONDS_PER_WEEK:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and {SECONDS_PER_WEEK}, a week")
    return value


def positive_seconds(text: str) -> float:
    """Parse a number of seconds greater than 0, up to a week."""
    if (value := seconds(text)) == 0:
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value


def at_least(minimum: int, maximum: int = 2**31) -> Callable[[str], int]:
    """Return a parser of whole numbers from `minimum` to `maximum`."""

    def whole_number(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{value} is less than {minimum}")
        if value > maximum:
            raise argparse.ArgumentTypeError(f"{value} is more than {maximum}")
        return value

    return whole_number

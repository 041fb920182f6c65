"""Messages, progress and tables for the terminal."""

import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

MIN_TEXT_WIDTH = 10  # characters
SECONDS_BETWEEN_LINES = 5.0


def print_message(text: str) -> None:
    """Print a message to stderr, apart from the script's output."""
    print(text, file=sys.stderr, flush=True)


def print_text(text: str) -> None:
    """Print a paragraph, wrapped at the terminal's width, but never within a word."""
    width = Console().width
    print(textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False))


class ProgressCounter:
    """Count the finished units of a long step, and print a line every few seconds."""

    def __init__(self, description: str, total: int | None, unit: str = "rows") -> None:
        self.description = description
        self.total = total
        self.unit = unit
        self.done = 0
        self.started = self._printed_at = time.monotonic()
        self._printed = -1

    def advance(self, by: int) -> None:
        self.done += by
        if time.monotonic() - self._printed_at >= SECONDS_BETWEEN_LINES:
            self._printed_at = time.monotonic()
            self.print_line()

    def print_message(self, text: str) -> None:
        """Print a message without disturbing the progress bar."""
        print_message(text)

    def print_line(self) -> None:
        if self.done == self._printed:
            return
        self._printed = self.done
        total = f" of {self.total:,}" if self.total is not None else ""
        rate = self.done / max(time.monotonic() - self.started, 1e-9)
        speed = f"{rate:,.{0 if rate >= 10 else 1}f} per second"
        print(f"{self.description}: {self.done:,}{total} {self.unit}, {speed}", flush=True)


class _ProgressBar(ProgressCounter):
    def __init__(self, description: str, total: int | None, bar: Progress) -> None:
        super().__init__(description, total)
        self._bar, self._task = bar, bar.add_task(description, total=total)

    def advance(self, by: int) -> None:
        self.done += by
        self._bar.advance(self._task, by)

    def print_message(self, text: str) -> None:
        self._bar.console.print(Text(text))


@contextmanager
def progress(description: str, total: int | None, unit: str = "rows") -> Iterator[ProgressCounter]:
    """Show the progress of a step: as a bar on a terminal, as lines elsewhere."""
    console = Console()
    if not console.is_terminal:
        counter = ProgressCounter(description, total, unit)
        yield counter
        counter.print_line()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    remaining = TimeRemainingColumn(elapsed_when_finished=True)
    with Progress(*columns, remaining, console=console) as bar:
        yield _ProgressBar(description, total, bar)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; integers have thousands separators, other numbers 4 decimal places."""
    console = Console(highlight=False)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_header = any(header)
    cells = [[_format(value) for value in row] for row in rows]
    numeric = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    widths = [
        2 + max(len(line) for cell in (name, *column) for line in cell.split("\n"))
        for name, *column in zip(header, *cells, strict=True)
    ]
    # numbers are not wrapped if that leaves enough room for the texts beside them
    room = console.width - sum(
        width for width, is_numeric in zip(widths, numeric, strict=True) if is_numeric
    )
    for name, is_numeric in zip(header, numeric, strict=True):
        justify: Literal["left", "right"] = "right" if is_numeric else "left"
        no_wrap = is_numeric and room >= MIN_TEXT_WIDTH
        table.add_column(name, justify=justify, overflow="fold", no_wrap=no_wrap)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _format(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)

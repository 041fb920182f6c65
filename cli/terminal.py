"""Tables and progress for the terminal: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

LEAST_ROOM = 10  # characters
SECONDS_BETWEEN_LINES = 5.0  # often enough to see it live, seldom enough for a log


def print_message(text: str) -> None:
    """A line for the person at the keyboard, apart from a script's output."""
    print(text, file=sys.stderr, flush=True)


class ProgressCounter:
    """What a long step advances as it goes; shown by `progress`."""

    def __init__(self, description: str, total: int | None, unit: str = "rows") -> None:
        self.description = description
        self.total = total
        self.unit = unit
        self.done = 0
        self.started = self._shown = time.monotonic()
        self._said = -1

    def advance(self, by: int) -> None:
        self.done += by
        if time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            self.show()

    def print_message(self, text: str) -> None:
        """A line beside the progress, for what the person should know meanwhile."""
        print_message(text)

    def show(self) -> None:
        if self.done == self._said:
            return
        self._said = self.done
        of = f" of {self.total:,}" if self.total is not None else ""
        rate = self.done / max(time.monotonic() - self.started, 1e-9)
        digits = 0 if rate >= 10 else 1
        print(
            f"{self.description}: {self.done:,}{of} {self.unit}, {rate:,.{digits}f} a second",
            flush=True,
        )


class _Bar(ProgressCounter):
    def __init__(self, description: str, total: int | None, bar: Progress) -> None:
        super().__init__(description, total)
        self._bar, self._task = bar, bar.add_task(description, total=total)

    def advance(self, by: int) -> None:
        self.done += by
        self._bar.advance(self._task, by)

    def say(self, text: str) -> None:
        self._bar.console.print(Text(text))


@contextmanager
def progress(description: str, total: int | None, unit: str = "rows") -> Iterator[ProgressCounter]:
    """Show how far a step over `total` rows, or other units, is."""
    console = Console()
    if not console.is_terminal:
        counter = ProgressCounter(description, total, unit)
        yield counter
        counter.show()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(elapsed_when_finished=True), console=console) as b:
        yield _Bar(description, total, b)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers to the right, whole numbers with thousands, others to 4 places."""
    console = Console(highlight=False)
    shown = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_header=any(header),
    )
    cells = [[_format(value) for value in row] for row in rows]
    numeric = [any(isinstance(row[at], int | float) for row in rows) for at in range(len(header))]
    widths = [
        2 + max(len(line) for cell in (name, *column) for line in cell.split("\n"))
        for name, *column in zip(header, *cells, strict=True)
    ]
    # numbers stay whole where that leaves the words beside them some room
    room = console.width - sum(
        w for w, is_numeric in zip(widths, numeric, strict=True) if is_numeric
    )
    for name, is_numeric in zip(header, numeric, strict=True):
        justify: Literal["left", "right"] = "right" if is_numeric else "left"
        whole = is_numeric and room >= LEAST_ROOM
        shown.add_column(name, justify=justify, overflow="fold", no_wrap=whole)
    for row in cells:
        shown.add_row(*map(Text, row))
    console.print(shown)


def _format(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)

"""A scorecard: log odds that are a sum of one table per column and one per pair of columns.

A column is divided into cells: intervals of a number, categories of a text, and a cell for nulls
(of a text, also for unseen categories). This module needs neither scikit-learn nor pandas.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

SCORECARD_FILE = "scorecard.json"
FORMAT = 1  # of that file


class ScorecardError(Exception):
    """A row cannot be scored, or a file is no scorecard; the message says why."""


@dataclass(frozen=True)
class Column:
    """A column of a scorecard, with the cells into which its values are divided.

    Cell 0 is that of nulls and unseen categories. Cell 1 of a number is below the first edge; each
    other cell contains the edge that it starts with. Cell k of a text is category k - 1.
    """

    name: str
    edges: tuple[float, ...] | None = None  # ascending; None for a text
    categories: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        return self.edges is not None

    @property
    def size(self) -> int:
        """The number of cells."""
        return 1 + (len(self.categories) if self.edges is None else len(self.edges) + 1)

    @cached_property
    def _codes(self) -> dict[Any, int]:
        return {category: code for code, category in enumerate(self.categories, 1)}

    @cached_property
    def _edges(self) -> np.ndarray:
        return np.array(self.edges, dtype=np.float64)

    def cells(self, values: Any) -> np.ndarray:
        """The cell of each value, of shape (rows,).

        Raises:
            ScorecardError: a number is infinite.
        """
        if self.edges is None:
            texts = (
                values if isinstance(values, list) else np.asarray(values, dtype=object).tolist()
            )
            return np.array([self._codes.get(text, 0) for text in texts], dtype=np.intp)
        numbers = np.asarray(values, dtype=np.float64)
        if np.isinf(numbers).any():
            raise ScorecardError(f"{self.name} has an infinite value.")
        cells = np.searchsorted(self._edges, numbers, side="right") + 1
        return np.where(np.isnan(numbers), 0, cells)

    def label(self, cell: int) -> str:
        """The cell in words, such as `from 149, below 159` or `poor`."""
        if cell == 0:
            return "null" if self.is_number else "null or unseen"
        if self.edges is None:
            return self.categories[cell - 1]
        limits = []
        if cell > 1:
            limits.append(_describe_edge(self.edges[cell - 2], "from", "above"))
        if cell <= len(self.edges):
            limits.append(_describe_edge(self.edges[cell - 1], "below", "up to"))
        return ", ".join(limits) or "any number"


def _describe_edge(edge: float, closed: str, opened: str) -> str:
    """The edge after a word; the edge of a tree is the next number after the value to name."""
    before = math.nextafter(edge, -math.inf)
    word, number = (opened, before) if len(repr(before)) < len(repr(edge)) else (closed, edge)
    short = f"{number:,.10g}"
    return f"{word} {short if float(short.replace(',', '')) == number else repr(number)}"


@dataclass(frozen=True, eq=False)
class Scorecard:
    """The log odds of a row: the intercept plus one value of each table.

    `singles` has a table of shape (cells,) for each column; `pairs` has a table of shape (cells of
    the first, cells of the second column) for each pair of indexes of columns that interact.
    """

    columns: tuple[Column, ...]
    intercept: float
    singles: tuple[np.ndarray, ...]
    pairs: Mapping[tuple[int, int], np.ndarray]

    def cells(self, rows: Any) -> list[np.ndarray]:
        """The cells of the values of each column, each of shape (rows,).

        `rows` maps the names of columns to their values, as a dictionary or a data frame does.
        """
        return [column.cells(rows[column.name]) for column in self.columns]

    def log_odds(self, rows: Any) -> np.ndarray:
        """The log odds of each row, of shape (rows,); the same alone and in any batch.

        Raises:
            ScorecardError: a number is infinite.
        """
        cells = self.cells(rows)
        total = np.full(len(cells[0]), self.intercept)
        for table, codes in zip(self.singles, cells, strict=True):
            total += table[codes]
        for (first, second), table in self.pairs.items():
            total += table[cells[first], cells[second]]
        return total

    def probability(self, rows: Any) -> np.ndarray:
        """The probability of the outcome for each row, of shape (rows,).

        Raises:
            ScorecardError: a number is infinite.
        """
        return 1 / (1 + np.exp(-self.log_odds(rows)))

    def to_json(self) -> str:
        return json.dumps(
            {
                "format": FORMAT,
                "columns": [asdict(column) for column in self.columns],
                "intercept": self.intercept,
                "singles": [table.tolist() for table in self.singles],
                "pairs": [[*pair, table.tolist()] for pair, table in self.pairs.items()],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Scorecard":
        """Read what `to_json` has written.

        Raises:
            ScorecardError: the text is no scorecard of this format.
        """
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise ScorecardError(
                    f"This scorecard has format {content['format']!r}, but this release reads "
                    f"{FORMAT}: use the release that wrote it."
                )
            columns = tuple(_column(**column) for column in content["columns"])
            singles = tuple(np.array(table, dtype=np.float64) for table in content["singles"])
            pairs = {(a, b): np.array(t, dtype=np.float64) for a, b, t in content["pairs"]}
            card = cls(columns, float(content["intercept"]), singles, pairs)
            _check_shapes(card)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ScorecardError(f"This is no scorecard ({type(error).__name__}).") from error
        return card


def _column(
    name: str, edges: Sequence[float] | None = None, categories: Sequence[str] = ()
) -> Column:
    return Column(name, None if edges is None else tuple(edges), tuple(categories))


def _check_shapes(card: Scorecard) -> None:
    sizes = [column.size for column in card.columns]
    shapes = {(a, b): (sizes[a], sizes[b]) for a, b in card.pairs}
    if [table.shape for table in card.singles] != [(size,) for size in sizes]:
        raise ValueError("a table of a column has the wrong shape")
    if {pair: table.shape for pair, table in card.pairs.items()} != shapes:
        raise ValueError("a table of a pair has the wrong shape")
    if not all(np.isfinite(t).all() for t in (*card.singles, *card.pairs.values())):
        raise ValueError("a table contains a value that is not finite")

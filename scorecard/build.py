"""Build the scorecard of a fitted pipeline, and check that both give the same probabilities.

The tables are not copied from the pipeline's weights. The pipeline scores one row for each cell,
and for each pair of cells; differences of these log odds are the tables. Only the limits of the
cells are read from the pipeline.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from scorecard.tables import Column, Scorecard

TOLERANCE = 1e-12  # in probability
SAMPLE_ROWS = 20_000  # to center the tables, and to compare the results
MAX_CELLS = 500_000  # of all pairs; more take too long to fill, and nobody reads them
HUGE = 1e300
UNSEEN = "\N{REPLACEMENT CHARACTER}"  # assumed to be in no data


def build_scorecard(pipeline: Any, rows: pd.DataFrame, numbers: Sequence[str]) -> Scorecard | None:
    """The scorecard of a fitted pipeline, or None if the pipeline has none.

    `rows` are training rows. The tables are centered: their means over a sample of these rows, with
    the values of two columns taken as independent, are 0, so that a column's own table is its mean
    effect (Hooker, Generalized functional ANOVA diagnostics, JCGS 16 (2007), 709-732).

    A linear model behind a ColumnTransformer has a scorecard if its probabilities depend only on
    the cells of the values, if its log odds are a sum of functions of at most two columns, and if
    the tables are not too large.
    """
    columns = _find_columns(pipeline, rows, numbers)
    if columns is None or _count_cells(columns) > MAX_CELLS:
        return None
    sample = rows.sample(min(len(rows), SAMPLE_ROWS), random_state=0)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            card = _center(_evaluate_cells(pipeline, columns), sample)
            return card if agrees(card, pipeline, sample) else None
    except ValueError:  # the pipeline refuses some of these rows, such as those with huge values
        return None


def agrees(card: Scorecard, pipeline: Any, rows: pd.DataFrame) -> bool:
    """Whether the scorecard gives the probabilities of the pipeline, within TOLERANCE.

    They are compared for `rows`, and for variants of them in which one column has a value at or
    next to an edge, a huge value, a null, an unseen text, or one of its categories.
    """
    rows = pd.concat([rows, *_edge_rows(card, rows)])
    expected = pipeline.predict_proba(rows)[:, 1]
    return bool(np.abs(card.probability(rows) - expected).max() <= TOLERANCE)


def _find_columns(
    pipeline: Any, rows: pd.DataFrame, numbers: Sequence[str]
) -> tuple[Column, ...] | None:
    """The columns with their cells; None if this is no linear model on transformed columns."""
    steps = [step for _, step in getattr(pipeline, "steps", [])]
    if not steps or not hasattr(steps[0], "transformers_") or not hasattr(steps[-1], "coef_"):
        return None
    if not all(isinstance(names, list) for _, _, names in steps[0].transformers_):
        return None
    edges: dict[str, set[float]] = {name: set() for name in numbers}
    categories: dict[str, tuple[str, ...]] = {}
    for _, transformer, names in steps[0].transformers_:
        last = transformer.steps[-1][1] if hasattr(transformer, "steps") else transformer
        for name, limits in zip(names, getattr(last, "bin_edges_", ()), strict=False):
            edges.get(name, set()).update(limits[1:-1].tolist())
        for name, texts in zip(names, getattr(last, "categories_", ()), strict=False):
            categories[name] = tuple(text for text in texts if isinstance(text, str))
    encoded = [name for _, _, names in steps[0].transformers_ for name in names]
    for place, threshold in _tree_thresholds(steps[1:]):
        if place < len(encoded) and encoded[place] in edges and np.isfinite(threshold):
            # trees split into x <= threshold and the rest, which starts with the next number
            edges[encoded[place]].add(float(np.nextafter(threshold, np.inf)))
    return tuple(
        Column(name, tuple(sorted(edges[name])))
        if name in edges
        else Column(name, categories=categories.get(name, ()))
        for name in map(str, rows.columns)
    )


def _count_cells(columns: Sequence[Column]) -> int:
    return sum(first.size * second.size for first, second in combinations(columns, 2))


def _tree_thresholds(steps: Sequence[Any]) -> Iterator[tuple[int, float]]:
    """Where the boosted trees in these steps split: the position of the column, and the value."""
    for step in steps:
        for trees in getattr(step, "estimators_", []):
            for predictors in getattr(trees, "_predictors", []):
                for predictor in predictors:
                    splits = predictor.nodes[predictor.nodes["is_leaf"] == 0]
                    places, thresholds = splits["feature_idx"], splits["num_threshold"]
                    yield from zip(places.tolist(), thresholds.tolist(), strict=True)


def _evaluate_cells(pipeline: Any, columns: Sequence[Column]) -> Scorecard:
    """The tables, relative to a row in which each column is in cell 0."""
    values = [_values(column) for column in columns]

    def log_odds(cells: dict[int, np.ndarray]) -> np.ndarray:
        """The pipeline's log odds of rows with these cells, and with cell 0 elsewhere."""
        count = len(next(iter(cells.values())))
        frame = {
            column.name: values[i][cells.get(i, np.zeros(count, dtype=np.intp))]
            for i, column in enumerate(columns)
        }
        return np.asarray(pipeline.decision_function(pd.DataFrame(frame)))

    intercept = float(log_odds({0: np.zeros(1, dtype=np.intp)})[0])
    singles = tuple(
        log_odds({i: np.arange(column.size)}) - intercept for i, column in enumerate(columns)
    )
    pairs = {}
    for i, j in combinations(range(len(columns)), 2):
        shape = (columns[i].size, columns[j].size)
        first, second = (cells.ravel() for cells in np.indices(shape))
        both = log_odds({i: first, j: second}).reshape(shape)
        pairs[i, j] = both - intercept - singles[i][:, None] - singles[j]
    return Scorecard(tuple(columns), intercept, singles, pairs)


def _values(column: Column) -> np.ndarray:
    """A value in each cell of the column, of shape (cells,)."""
    if column.edges is None:
        return np.array([None, *column.categories], dtype=object)
    lowest = np.nextafter(column.edges[0], -np.inf) if column.edges else 0.0
    return np.array([np.nan, lowest, *column.edges])


def _center(card: Scorecard, rows: pd.DataFrame) -> Scorecard:
    """Subtract the weighted means of each table; add them to smaller tables and the intercept."""
    shares = [
        np.bincount(cells, minlength=column.size) / len(rows)
        for column, cells in zip(card.columns, card.cells(rows), strict=True)
    ]
    intercept, singles, pairs = card.intercept, [t.copy() for t in card.singles], {}
    for (i, j), table in card.pairs.items():
        of_rows, of_columns = table @ shares[j], shares[i] @ table
        mean = float(shares[i] @ of_rows)
        singles[i] += of_rows - mean
        singles[j] += of_columns - mean
        intercept += mean
        centered = table - of_rows[:, None] - of_columns + mean
        if np.abs(centered).max() > TOLERANCE:  # else the two columns do not interact
            pairs[i, j] = centered
    for table, share in zip(singles, shares, strict=True):
        mean = float(share @ table)
        table -= mean
        intercept += mean
    return Scorecard(card.columns, intercept, tuple(singles), pairs)


def _edge_rows(card: Scorecard, rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Rows with one column changed: to each edge and its neighbors, huge, null or unseen."""
    for column in card.columns:
        if column.edges is None:
            values = np.array([None, UNSEEN, *column.categories], dtype=object)
        else:
            edges = np.array(column.edges)
            below, above = np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)
            values = np.concatenate([edges, below, above, [np.nan, -HUGE, HUGE]])
        changed = rows.sample(len(values), replace=True, random_state=0)
        yield changed.assign(**{column.name: values})

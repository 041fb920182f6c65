"""The plot of a scorecard: the effect of each column, and the strongest pairs of columns."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scorecard.tables import Column, Scorecard

COLUMNS, PAIRS = 3, 3  # plots in a line; pairs that are shown
MAX_LABELS = 20  # of categories


def plot_scorecard(name: str, card: Scorecard) -> Figure:
    """One plot per column, and a heat map for each of the PAIRS strongest pairs."""
    strongest = sorted(card.pairs, key=lambda pair: float(np.ptp(card.pairs[pair])))[
        : -PAIRS - 1 : -1
    ]
    lines = -(-len(card.columns) // COLUMNS) + bool(strongest)
    figure = Figure(figsize=(4.2 * COLUMNS, 3.4 * lines), layout="constrained")
    figure.suptitle(f"{name}: what each column and pair of columns adds to the log odds")
    grid = figure.subplots(lines, COLUMNS, squeeze=False)
    singles, pairs = (grid[:-1], grid[-1]) if strongest else (grid, [])
    limit = max(float(np.abs(table).max()) for table in card.singles) * 1.05
    for axes in grid.ravel():
        axes.set_axis_off()
    for axes, column, table in zip(np.ravel(singles), card.columns, card.singles, strict=False):
        axes.set_axis_on()
        label = "log odds (dashed: null)" if column.is_number else "log odds"
        axes.set(title=column.name, ylim=(-limit, limit), ylabel=label)
        axes.axhline(0, color="black", linewidth=0.8, linestyle=":")
        _draw_column(axes, column, table)
    for axes, (i, j) in zip(pairs, strongest, strict=False):
        axes.set_axis_on()
        _draw_pair(figure, axes, card.columns[i], card.columns[j], card.pairs[i, j])
    return figure


def _draw_column(axes: Axes, column: Column, table: np.ndarray) -> None:
    """Steps over a number, bars over categories; a dashed line shows nulls of a number."""
    if column.is_number:
        edges = column.edges or (0.0,)
        low, high = edges[0], edges[-1]
        ends = low - (high - low or 1) / 20, high + (high - low or 1) / 20
        if low > 1e-6 and high > 20 * low:
            axes.set_xscale("log")
            ends = low / 1.3, high * 1.3
        steps = table[1:] if column.edges else table[[1, 1]]
        axes.stairs(steps, (ends[0], *edges, ends[1]), baseline=None, linewidth=1.5)
        axes.axhline(table[0], color="tab:gray", linestyle="--", linewidth=0.8)
    else:
        shown = np.argsort(-np.abs(table), kind="stable")[:MAX_LABELS]
        shown = shown[np.argsort(table[shown], kind="stable")]
        axes.bar([column.label(cell) for cell in shown.tolist()], table[shown])
        axes.tick_params(axis="x", rotation=90, labelsize="x-small")


def _draw_pair(
    figure: Figure, axes: Axes, first: Column, second: Column, table: np.ndarray
) -> None:
    limit = float(np.abs(table).max())
    image = axes.imshow(
        table.T, aspect="auto", origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit
    )
    figure.colorbar(image, ax=axes)
    axes.set(title=f"{first.name} and {second.name}", xlabel=first.name, ylabel=second.name)
    for axis, column in ((axes.xaxis, first), (axes.yaxis, second)):
        shown = np.unique(np.linspace(0, column.size - 1, min(column.size, 6)).round().astype(int))
        axis.set_ticks(shown, [column.label(cell) for cell in shown.tolist()], size="xx-small")
    axes.tick_params(axis="x", rotation=45)

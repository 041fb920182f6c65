"""The plots of a version and of the data, as matplotlib figures."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib

matplotlib.use("Agg")  # files only: a training machine has no screen

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

from problems import Problem

SIZE = (6.0, 4.5)  # inches


@contextmanager
def _axes(title: str) -> Iterator[tuple[Figure, Axes]]:
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.set_title(title)
    try:
        yield figure, axes
    finally:
        plt.close(figure)


def version_plots(
    problem: Problem, name: str, label: np.ndarray, probability: np.ndarray, threshold: float
) -> dict[str, Figure]:
    """ROC, precision-recall, calibration and confusion on held-out rows, by file name."""
    said = (probability >= threshold).astype(int)
    with _axes(f"{name}: ROC on held-out rows") as (roc, axes):
        RocCurveDisplay.from_predictions(label, probability, ax=axes, plot_chance_level=True)
    with _axes(f"{name}: precision and recall on held-out rows") as (recall, axes):
        PrecisionRecallDisplay.from_predictions(label, probability, ax=axes, plot_chance_level=True)
        axes.legend(loc="upper right")
    with _axes(f"{name}: confusion at threshold {threshold:.3f}") as (confusion, axes):
        ConfusionMatrixDisplay.from_predictions(
            label, said, display_labels=problem.words, ax=axes, values_format=",d", cmap="Blues"
        )
    return {
        "roc": roc,
        "precision_recall": recall,
        "calibration": _calibration(name, label, probability),
        "confusion": confusion,
    }


def _calibration(name: str, label: np.ndarray, probability: np.ndarray) -> Figure:
    """Predicted against seen, in bins of equally many rows; logarithmic, as most are small."""
    seen, said = calibration_curve(label, probability, n_bins=20, strategy="quantile")
    with _axes(f"{name}: calibration on held-out rows") as (figure, axes):
        axes.loglog([1e-4, 1], [1e-4, 1], "k:", label="perfect")
        shown = seen > 0
        axes.loglog(said[shown], seen[shown], "o-", label=name)
        low = max(min(said.min(), seen[shown].min()) / 2, 1e-4)
        axes.set(xlim=(low, 1), ylim=(low, 1))
        axes.set_xlabel("predicted probability (mean of bin)")
        axes.set_ylabel("share that came true")
        axes.legend()
    return figure


def data_plots(problem: Problem, raw: pd.DataFrame) -> dict[str, Figure]:
    """A distribution for each number, and the share of positives for each text's categories."""
    figures = {}
    for name in problem.numbers:
        values = raw[name].dropna()
        with _axes(f"{name}: {len(values):,} values, 1st to 99th percentile") as (figure, axes):
            axes.hist(values.clip(*values.quantile([0.01, 0.99])), bins=60)
            axes.set_xlabel(name)
            axes.set_ylabel("rows")
        figures[name] = figure
    for name in problem.texts:
        rates = raw.groupby(name)["label"].agg(["mean", "size"]).nlargest(30, "size")[::-1]
        with _axes(f"{name}: share of {problem.words[1]!r} by category") as (figure, axes):
            figure.set_size_inches(SIZE[0], max(SIZE[1] / 2, 0.25 * len(rates) + 1))
            axes.barh([f"{c} ({n:,})" for c, n in rates["size"].items()], rates["mean"])
            axes.axvline(raw["label"].mean(), color="black", linestyle=":", label="all rows")
            axes.legend()
        figures[name] = figure
    return figures

"""Plots of candidates and of the data, as matplotlib figures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.inspection import PartialDependenceDisplay
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

from metrics import catalog
from metrics.bootstrap import Estimate
from problems import Problem

SIZE = (6.0, 4.5)  # inches
MAX_COEFFICIENTS = 25
EFFECT_ROWS, EFFECT_VALUES, EFFECT_COLUMNS = 300, 40, 3


def _axes(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def version_plots(
    problem: Problem, name: str, label: np.ndarray, probability: np.ndarray, threshold: float
) -> dict[str, Figure]:
    """ROC, precision-recall, calibration, lift and confusion plots, keyed by file name."""
    decisions, labels = (probability >= threshold).astype(int), problem.outcome_labels
    figures = {"lift": _lift(name, label, probability)}
    figures["calibration"], axes = _axes(f"{name}: calibration on held-out rows")
    _draw_calibration(axes, label, probability)
    figures["roc"], axes = _axes(f"{name}: ROC curve on held-out rows")
    RocCurveDisplay.from_predictions(label, probability, ax=axes, plot_chance_level=True)
    figures["precision_recall"], axes = _axes(f"{name}: precision and recall on held-out rows")
    PrecisionRecallDisplay.from_predictions(label, probability, ax=axes, plot_chance_level=True)
    axes.legend(loc="upper right")
    figures["confusion"], axes = _axes(f"{name}: confusion matrix at threshold {threshold:.3f}")
    ConfusionMatrixDisplay.from_predictions(
        label, decisions, display_labels=labels, ax=axes, values_format=",d", cmap="Blues"
    )
    return figures


def fold_scores(name: str, fold_scores: Mapping[str, np.ndarray]) -> Figure:
    """The scores of the best grid point, with a dot for each fold."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    all_axes = figure.subplots(1, len(fold_scores))
    figure.suptitle(f"{name}: cross-validation, one dot per fold")
    for axes, (metric, scores) in zip(all_axes, fold_scores.items(), strict=True):
        axes.boxplot(scores, widths=0.5, showfliers=False)
        axes.plot(np.linspace(0.85, 1.15, len(scores)), scores, "o", alpha=0.7)
        axes.set_title(catalog.TITLES[metric], fontsize="small")
        axes.set_xticks([])
        axes.ticklabel_format(axis="y", useOffset=False)
    return figure


def coefficients(name: str, table: pd.DataFrame) -> Figure:
    """The coefficients with the largest effects on the log odds."""
    top = table.head(MAX_COEFFICIENTS)[::-1]
    figure, axes = _axes(f"{name}: largest effects on the log odds")
    figure.set_size_inches(10, max(2, 0.25 * len(top) + 1))
    colors = ["tab:blue" if c > 0 else "tab:red" for c in top["coefficient"]]
    axes.barh(top.index, top["weight"] * np.sign(top["coefficient"]), color=colors)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("coefficient times standard deviation (right: more likely)")
    return figure


def importance(name: str, table: pd.DataFrame) -> Figure:
    """The permutation importance of each feature, with its standard deviation."""
    table = table[::-1]
    figure, axes = _axes(f"{name}: permutation importance on held-out rows")
    figure.set_size_inches(SIZE[0], max(2, 0.35 * len(table) + 1))
    axes.barh(table.index, table["importance"], xerr=table["std"])
    axes.set_xlabel("increase in log loss if the column is shuffled")
    return figure


def effects(name: str, estimator: Any, rows: pd.DataFrame, numbers: Sequence[str]) -> Figure | None:
    """The effect of each column: the mean probability if all rows had the same value in it.

    This is the partial dependence (Friedman, Greedy function approximation, Annals of Statistics
    29 (2001), 1189-1232) over up to EFFECT_ROWS rows without nulls. None if no column varies.
    """
    shown = rows.dropna().head(EFFECT_ROWS)
    columns = [column for column in rows if shown[column].nunique() > 1]
    if not columns:
        return None
    lines = math.ceil(len(columns) / EFFECT_COLUMNS)
    figure = Figure(figsize=(4 * EFFECT_COLUMNS, 3.2 * lines), layout="constrained")
    all_axes = figure.subplots(lines, EFFECT_COLUMNS, squeeze=False).ravel()
    for axes in all_axes[len(columns) :]:
        axes.remove()
    PartialDependenceDisplay.from_estimator(
        estimator,
        shown,
        columns,
        categorical_features=[column for column in columns if column not in numbers] or None,
        grid_resolution=EFFECT_VALUES,
        ax=all_axes[: len(columns)],
    )
    figure.suptitle(f"{name}: mean probability if all rows had this value")
    return figure


def comparison(
    estimates: Mapping[str, Mapping[str, Estimate]], base_rate: Mapping[str, float]
) -> Figure:
    """The metrics of each candidate with their intervals, and those of the base-rate model."""
    metrics, names = catalog.shown_in(catalog.COMPARISON), list(estimates)[::-1]
    figure = Figure(figsize=(8, 1.1 + len(metrics) * (0.5 + 0.3 * len(names))))
    all_axes = figure.subplots(len(metrics), 1)
    figure.suptitle("Candidates on held-out rows, with 95% intervals")
    for axes, metric in zip(all_axes, metrics, strict=True):
        for y, name in enumerate(names):
            e = estimates[name][metric.name]
            axes.plot([e.low, e.high], [y, y], color="tab:blue", linewidth=3, alpha=0.5)
            axes.plot(e.value, y, "o", color="tab:blue")
        axes.set(title=f"{metric.title} ({metric.direction})", yticks=range(len(names)))
        axes.set(ylim=(-0.6, len(names) - 0.4), yticklabels=names)
        reference, text = base_rate.get(metric.name), "base rate"
        if metric.direction == catalog.ONE:
            reference, text = 1.0, "ideal"
        if reference is not None:
            axes.axvline(reference, color="black", linestyle=":", label=text)
            axes.legend(loc="best")
    figure.tight_layout()
    return figure


def gains(gain_by_rows: Mapping[str, Estimate], margin: float, title: str) -> Figure:
    """The gain of a challenger on each kind of rows, with its interval."""
    figure, axes = _axes(title)
    figure.set_size_inches(8, 1.2 + 0.5 * len(gain_by_rows))
    for y, gain in enumerate(list(gain_by_rows.values())[::-1]):
        axes.plot([gain.low, gain.high], [y, y], color="tab:blue", linewidth=3, alpha=0.5)
        axes.plot(gain.value, y, "o", color="tab:blue")
    axes.axvline(margin, color="black", linestyle=":", label="required" if margin else "no gain")
    axes.set(yticks=range(len(gain_by_rows)), yticklabels=list(gain_by_rows)[::-1])
    axes.set(ylim=(-0.6, len(gain_by_rows) - 0.4))
    axes.set_xlabel("gain in log loss (right: the challenger is better)")
    axes.legend()
    return figure


def _lift(name: str, label: np.ndarray, probability: np.ndarray) -> Figure:
    """The share of positives among the highest-scored rows, relative to that of all rows."""
    positives = label[np.argsort(-probability, kind="stable")].cumsum()
    share = np.arange(1, len(label) + 1) / len(label)
    lift = positives / (share * positives[-1])
    shown = share >= 0.005  # fewer rows show only noise
    figure, axes = _axes(f"{name}: lift on held-out rows")
    axes.plot(share[shown], lift[shown], label=name)
    axes.axhline(1, color="black", linestyle=":", label="random order")
    axes.set_xlabel("share of rows, highest probability first")
    axes.set_ylabel("share of positives, relative to all rows")
    axes.legend()
    return figure


def calibrations(label: np.ndarray, probabilities: Mapping[str, np.ndarray]) -> Figure:
    """The calibration of each candidate on held-out rows, side by side."""
    figure = Figure(figsize=(SIZE[1] * len(probabilities), SIZE[1]), layout="constrained")
    figure.suptitle("Calibration on held-out rows")
    all_axes = figure.subplots(1, len(probabilities), squeeze=False)[0]
    for axes, (name, probability) in zip(all_axes, probabilities.items(), strict=True):
        axes.set_title(name)
        _draw_calibration(axes, label, probability)
    return figure


def _draw_calibration(axes: Axes, label: np.ndarray, probability: np.ndarray) -> None:
    """Observed against predicted shares in bins with equal numbers of rows, on a log scale."""
    observed, predicted = calibration_curve(label, probability, n_bins=20, strategy="quantile")
    shown = observed > 0
    low = max(min(predicted.min(), observed[shown].min()) / 2, 1e-4)
    high = min(max(predicted.max(), observed.max()) * 2, 1)
    axes.loglog([low, high], [low, high], "k:", label="perfect")
    axes.loglog(predicted[shown], observed[shown], "o-", label="model")
    axes.set(xlim=(low, high), ylim=(low, high), ylabel="observed share of positives")
    axes.set_xlabel("predicted probability (mean per bin)")
    axes.legend()


def data_plots(problem: Problem, raw: pd.DataFrame) -> dict[str, Figure]:
    """The distribution of each number, and the share of positives per category of each text."""
    figures: dict[str, Figure] = {}
    for name in problem.numbers:
        values = raw[name].dropna()
        figures[name], axes = _axes(f"{name}: {len(values):,} values, 1st to 99th percentile")
        axes.hist(values.clip(*values.quantile([0.01, 0.99])), bins=60)
        axes.set(xlabel=name, ylabel="rows")
    for name in problem.texts:
        rates = raw.groupby(name)["label"].agg(["mean", "size"]).nlargest(30, "size")[::-1]
        figures[name], axes = _axes(f"{name}: share of {problem.outcome_labels[1]!r} by category")
        figures[name].set_size_inches(SIZE[0], max(SIZE[1] / 2, 0.25 * len(rates) + 1))
        axes.barh([f"{c} ({n:,})" for c, n in rates["size"].items()], rates["mean"])
        axes.axvline(raw["label"].mean(), color="black", linestyle=":", label="all rows")
        axes.legend()
    return figures

"""Plots of candidates and of the data, as matplotlib figures."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

from metrics import catalog
from metrics.bootstrap import Estimate
from problems import Problem

matplotlib.use("Agg")  # draws files and needs no screen

SIZE = (6.0, 4.5)  # inches
MAX_COEFFICIENTS = 25


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
    """ROC, precision-recall, calibration, lift and confusion plots, keyed by file name."""
    decisions, labels = (probability >= threshold).astype(int), problem.outcome_labels
    with _axes(f"{name}: ROC curve on held-out rows") as (roc, axes):
        RocCurveDisplay.from_predictions(label, probability, ax=axes, plot_chance_level=True)
    with _axes(f"{name}: precision and recall on held-out rows") as (recall, axes):
        PrecisionRecallDisplay.from_predictions(label, probability, ax=axes, plot_chance_level=True)
        axes.legend(loc="upper right")
    with _axes(f"{name}: confusion matrix at threshold {threshold:.3f}") as (confusion, axes):
        ConfusionMatrixDisplay.from_predictions(
            label, decisions, display_labels=labels, ax=axes, values_format=",d", cmap="Blues"
        )
    return {
        "roc": roc,
        "precision_recall": recall,
        "calibration": _calibration(name, label, probability),
        "lift": _lift(name, label, probability),
        "confusion": confusion,
    }


def fold_scores(name: str, fold_scores: Mapping[str, np.ndarray]) -> Figure:
    """The scores of the best grid point, with a dot for each fold."""
    figure, all_axes = plt.subplots(1, len(fold_scores), figsize=(9, 3.2), layout="constrained")
    figure.suptitle(f"{name}: cross-validation, one dot per fold")
    for axes, (metric, scores) in zip(all_axes, fold_scores.items(), strict=True):
        axes.boxplot(scores, widths=0.5, showfliers=False)
        axes.plot(np.linspace(0.85, 1.15, len(scores)), scores, "o", alpha=0.7)
        axes.set(title=catalog.TITLES[metric], xticks=[])
        axes.ticklabel_format(axis="y", useOffset=False)
    plt.close(figure)
    return figure


def coefficients(name: str, table: pd.DataFrame) -> Figure:
    """The coefficients with the largest effects on the log odds."""
    top = table.head(MAX_COEFFICIENTS)[::-1]
    with _axes(f"{name}: largest effects on the log odds") as (figure, axes):
        figure.set_size_inches(10, max(2, 0.25 * len(top) + 1))
        colors = ["tab:blue" if c > 0 else "tab:red" for c in top["coefficient"]]
        axes.barh(top.index, top["weight"] * np.sign(top["coefficient"]), color=colors)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel("coefficient times standard deviation (right: more likely)")
    return figure


def importance(name: str, table: pd.DataFrame) -> Figure:
    """The permutation importance of each feature, with its standard deviation."""
    table = table[::-1]
    with _axes(f"{name}: permutation importance on held-out rows") as (figure, axes):
        figure.set_size_inches(SIZE[0], max(2, 0.35 * len(table) + 1))
        axes.barh(table.index, table["importance"], xerr=table["std"])
        axes.set_xlabel("increase in log loss if the column is shuffled")
    return figure


def comparison(
    estimates: Mapping[str, Mapping[str, Estimate]], base_rate: Mapping[str, float]
) -> Figure:
    """The metrics of each candidate with their intervals, and those of the base-rate model."""
    metrics, names = catalog.shown_in(catalog.COMPARISON), list(estimates)[::-1]
    height = 1.1 + len(metrics) * (0.5 + 0.3 * len(names))
    figure, all_axes = plt.subplots(len(metrics), 1, figsize=(8, height))
    figure.suptitle("Candidates on held-out rows, with 95 % intervals")
    for axes, metric in zip(all_axes, metrics, strict=True):
        for y, name in enumerate(names):
            e = estimates[name][metric.name]
            axes.plot([e.low, e.high], [y, y], color="tab:blue", linewidth=3, alpha=0.5)
            axes.plot(e.value, y, "o", color="tab:blue")
        axes.set(title=f"{metric.title} ({metric.direction})", yticks=range(len(names)))
        axes.set(ylim=(-0.6, len(names) - 0.4), yticklabels=names)
        if metric.name in base_rate:
            axes.axvline(base_rate[metric.name], color="black", linestyle=":", label="base rate")
            axes.legend(loc="best")
    figure.tight_layout()
    plt.close(figure)
    return figure


def bootstrap(resampled_gains: np.ndarray, low: float, high: float, title: str) -> Figure:
    """A histogram of the reduction in log loss over resamples of the groups."""
    with _axes(title) as (figure, axes):
        axes.hist(resampled_gains, bins=60, color="tab:blue", alpha=0.7)
        axes.axvspan(low, high, alpha=0.15, color="tab:blue", label="99 % interval")
        axes.axvline(0, color="black", linestyle=":", label="no difference")
        axes.set(ylabel="resamples", xlabel="reduction in log loss (right: challenger is better)")
        axes.legend()
    return figure


def _lift(name: str, label: np.ndarray, probability: np.ndarray) -> Figure:
    """The share of positives among the highest-scored rows, relative to that of all rows."""
    positives = label[np.argsort(-probability, kind="stable")].cumsum()
    share = np.arange(1, len(label) + 1) / len(label)
    lift = positives / (share * positives[-1])
    shown = share >= 0.005  # fewer rows show only noise
    with _axes(f"{name}: lift on held-out rows") as (figure, axes):
        axes.plot(share[shown], lift[shown], label=name)
        axes.axhline(1, color="black", linestyle=":", label="random order")
        axes.set_xlabel("share of rows, highest probability first")
        axes.set_ylabel("share of positives, relative to all rows")
        axes.legend()
    return figure


def _calibration(name: str, label: np.ndarray, probability: np.ndarray) -> Figure:
    """Observed against predicted shares in bins with equal numbers of rows, on a log scale."""
    observed, predicted = calibration_curve(label, probability, n_bins=20, strategy="quantile")
    with _axes(f"{name}: calibration on held-out rows") as (figure, axes):
        axes.loglog([1e-4, 1], [1e-4, 1], "k:", label="perfect")
        shown = observed > 0
        axes.loglog(predicted[shown], observed[shown], "o-", label=name)
        low = max(min(predicted.min(), observed[shown].min()) / 2, 1e-4)
        axes.set(xlim=(low, 1), ylim=(low, 1), ylabel="observed share of positives")
        axes.set_xlabel("predicted probability (mean per bin)")
        axes.legend()
    return figure


def data_plots(problem: Problem, raw: pd.DataFrame) -> dict[str, Figure]:
    """The distribution of each number, and the share of positives per category of each text."""
    figures = {}
    for name in problem.numbers:
        values = raw[name].dropna()
        with _axes(f"{name}: {len(values):,} values, 1st to 99th percentile") as (figure, axes):
            axes.hist(values.clip(*values.quantile([0.01, 0.99])), bins=60)
            axes.set(xlabel=name, ylabel="rows")
        figures[name] = figure
    for name in problem.texts:
        rates = raw.groupby(name)["label"].agg(["mean", "size"]).nlargest(30, "size")[::-1]
        with _axes(f"{name}: share of {problem.outcome_labels[1]!r} by category") as (figure, axes):
            figure.set_size_inches(SIZE[0], max(SIZE[1] / 2, 0.25 * len(rates) + 1))
            axes.barh([f"{c} ({n:,})" for c, n in rates["size"].items()], rates["mean"])
            axes.axvline(raw["label"].mean(), color="black", linestyle=":", label="all rows")
            axes.legend()
        figures[name] = figure
    return figures

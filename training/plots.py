"""The plots of a version and of the data, as matplotlib figures."""

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

from metrics.bootstrap import Estimate
from problems import Problem

matplotlib.use("Agg")  # files only: a training machine has no screen

SIZE = (6.0, 4.5)  # inches
SHOWN_COEFFICIENTS = 25
COMPARED = {
    "log_loss": "log loss (less is better)",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "calibration_slope": "calibration slope (1 is right)",
}


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
    """ROC, precision-recall, calibration, lift and confusion on held-out rows, by file name."""
    said = (probability >= threshold).astype(int)
    with _axes(f"{name}: ROC on held-out rows") as (roc, axes):
        RocCurveDisplay.from_predictions(label, probability, ax=axes, plot_chance_level=True)
    with _axes(f"{name}: precision and recall on held-out rows") as (recall, axes):
        PrecisionRecallDisplay.from_predictions(label, probability, ax=axes, plot_chance_level=True)
        axes.legend(loc="upper right")
    with _axes(f"{name}: confusion at threshold {threshold:.3f}") as (confusion, axes):
        ConfusionMatrixDisplay.from_predictions(
            label,
            said,
            display_labels=problem.outcome_labels,
            ax=axes,
            values_format=",d",
            cmap="Blues",
        )
    return {
        "roc": roc,
        "precision_recall": recall,
        "calibration": _calibration(name, label, probability),
        "lift": _lift(name, label, probability),
        "confusion": confusion,
    }


def fold_scores(name: str, by_fold: Mapping[str, np.ndarray]) -> Figure:
    """The best grid point's scores, a dot a fold."""
    figure, all_axes = plt.subplots(1, len(by_fold), figsize=(9, 3.2), layout="constrained")
    figure.suptitle(f"{name}: cross-validation, a dot a fold")
    for axes, (metric, scores) in zip(all_axes, by_fold.items(), strict=True):
        axes.boxplot(scores, widths=0.5, showfliers=False)
        axes.plot(np.linspace(0.85, 1.15, len(scores)), scores, "o", alpha=0.7)
        axes.set(title=metric, xticks=[])
        axes.ticklabel_format(axis="y", useOffset=False)
    plt.close(figure)
    return figure


def coefficients(name: str, found: pd.DataFrame) -> Figure:
    """The coefficients that move the log odds most, and how far."""
    top = found.head(SHOWN_COEFFICIENTS)[::-1]
    with _axes(f"{name}: what moves the log odds most") as (figure, axes):
        figure.set_size_inches(10, max(2, 0.25 * len(top) + 1))
        colors = ["tab:blue" if c > 0 else "tab:red" for c in top["coefficient"]]
        axes.barh(top.index, top["weight"] * np.sign(top["coefficient"]), color=colors)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel("coefficient, times standard deviation (right: more likely)")
    return figure


def importance(name: str, found: pd.DataFrame) -> Figure:
    """Permutation importance, with its standard deviation."""
    shown = found[::-1]
    with _axes(f"{name}: importance on held-out rows") as (figure, axes):
        figure.set_size_inches(SIZE[0], max(2, 0.35 * len(shown) + 1))
        axes.barh(shown.index, shown["importance"], xerr=shown["std"])
        axes.set_xlabel("log loss grows by, if the column is shuffled")
    return figure


def comparison(figures: Mapping[str, Mapping[str, Estimate]], base: Mapping[str, float]) -> Figure:
    """Each candidate's figures on held-out rows with their intervals, beside the base rate's."""
    figure, all_axes = plt.subplots(
        len(COMPARED), 1, figsize=(8, 1.1 + len(COMPARED) * (0.5 + 0.3 * len(figures)))
    )
    figure.suptitle("Candidates on held-out rows, 95 % intervals")
    for axes, (metric, title) in zip(all_axes, COMPARED.items(), strict=True):
        for at, found in enumerate(reversed(list(figures.values()))):
            value = found[metric]
            axes.plot([value.low, value.high], [at, at], color="tab:blue", linewidth=3, alpha=0.5)
            axes.plot(value.value, at, "o", color="tab:blue")
        axes.set(title=title, yticks=range(len(figures)), ylim=(-0.6, len(figures) - 0.4))
        axes.set_yticklabels(list(figures)[::-1])
        if metric in base:
            axes.axvline(base[metric], color="black", linestyle=":", label="base rate")
            axes.legend(loc="best")
    figure.tight_layout()
    plt.close(figure)
    return figure


def bootstrap(differences: np.ndarray, low: float, high: float, title: str) -> Figure:
    """How much less the challenger's log loss is, over resamples of the groups."""
    with _axes(title) as (figure, axes):
        axes.hist(differences, bins=60, color="tab:blue", alpha=0.7)
        axes.axvspan(low, high, alpha=0.15, color="tab:blue", label="99 % interval")
        axes.axvline(0, color="black", linestyle=":", label="no difference")
        axes.set_xlabel("log loss is less by (right: the challenger is better)")
        axes.set_ylabel("resamples")
        axes.legend()
    return figure


def _lift(name: str, label: np.ndarray, probability: np.ndarray) -> Figure:
    """How many times as many positives as on average among the rows with the highest scores."""
    found = label[np.argsort(-probability, kind="stable")].cumsum()
    share = np.arange(1, len(label) + 1) / len(label)
    lift = found / (share * found[-1])
    shown = share >= 0.005  # of fewer rows it is noise
    with _axes(f"{name}: lift on held-out rows") as (figure, axes):
        axes.plot(share[shown], lift[shown], label=name)
        axes.axhline(1, color="black", linestyle=":", label="random order")
        axes.set_xlabel("share of rows, highest probability first")
        axes.set_ylabel("positives, times as many as on average")
        axes.legend()
    return figure


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
        with _axes(f"{name}: share of {problem.outcome_labels[1]!r} by category") as (figure, axes):
            figure.set_size_inches(SIZE[0], max(SIZE[1] / 2, 0.25 * len(rates) + 1))
            axes.barh([f"{c} ({n:,})" for c, n in rates["size"].items()], rates["mean"])
            axes.axvline(raw["label"].mean(), color="black", linestyle=":", label="all rows")
            axes.legend()
        figures[name] = figure
    return figures

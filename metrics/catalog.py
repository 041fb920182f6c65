"""The table of metrics: the name, title and direction of each, and where it is shown."""

from dataclasses import dataclass
from enum import Flag, auto

LOWER, HIGHER, ONE = "lower is better", "higher is better", "1 is ideal"


class Place(Flag):
    """A table or plot that shows metrics."""

    CV = auto()  # train.py and a run in MLflow: only what training/fold.py computes
    TRAIN = auto()  # train.py
    RUN = auto()  # a run in MLflow; metrics.json has the others
    CARD = auto()  # the model card of a version
    COMPARISON = auto()  # page and plot that compare candidates: only what every problem has
    PIPELINE = auto()  # pipeline.py: only what the base-rate model has, too


CV, TRAIN, RUN, CARD, COMPARISON, PIPELINE = Place


@dataclass(frozen=True)
class Metric:
    """A metric, and the places that show it."""

    name: str
    title: str
    direction: str
    places: Place
    prefix: str = "test_"  # of its name in MLflow; cross-validated metrics have `cv_`

    @property
    def logged_name(self) -> str:
        return self.prefix + self.name


METRICS = (
    Metric("log_loss", "log loss", LOWER, CV | RUN | CARD | COMPARISON | PIPELINE),
    Metric("gain", "gain over base rate", HIGHER, CV),
    Metric("brier", "Brier score", LOWER, CARD | PIPELINE),
    Metric("roc_auc", "ROC AUC", HIGHER, CV | TRAIN | RUN | CARD | COMPARISON | PIPELINE),
    Metric("average_precision", "average precision", HIGHER, RUN | CARD | COMPARISON | PIPELINE),
    Metric("ndcg", "NDCG", HIGHER, CARD),
    Metric("ranked_first", "positive row ranked first", HIGHER, CARD),
    Metric("calibration_slope", "calibration slope", ONE, TRAIN | RUN | CARD | COMPARISON),
    Metric("calibration_error", "calibration error", LOWER, CARD),
    Metric("precision", "precision", HIGHER, RUN | CARD),
    Metric("recall", "recall", HIGHER, RUN | CARD),
    Metric("accuracy", "accuracy", HIGHER, CARD | PIPELINE),
    Metric("accuracy_at_half", "accuracy at 0.5", HIGHER, CARD),
    Metric("balanced_accuracy_at_base_rate", "balanced accuracy at base rate", HIGHER, CARD),
    Metric("single_row_ms", "milliseconds per row", LOWER, TRAIN | RUN, prefix=""),
    Metric("saved_mb", "megabytes saved", LOWER, RUN, prefix=""),
)

TITLES = {metric.name: metric.title for metric in METRICS}


def shown_in(place: Place) -> list[Metric]:
    """The metrics that a table or plot shows, in its order."""
    return [metric for metric in METRICS if place in metric.places]


def headline_names() -> set[str]:
    """The names of the metrics that a run in MLflow shows; metrics.json has all."""
    cross_validated = {f"cv_{metric.name}" for metric in shown_in(CV)}
    return {m.logged_name for m in shown_in(RUN)} | cross_validated | {"cv_log_loss_se"}

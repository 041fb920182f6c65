"""The table of metrics: the name, title and direction of each, and where it is shown."""

from dataclasses import dataclass
from enum import Flag, auto

LOWER, HIGHER, ONE = "lower is better", "higher is better", "1 is ideal"


class Place(Flag):
    """A table or plot that shows metrics."""

    TRAIN_CV = auto()  # train.py, cross-validated: only what training/fold.py computes
    TRAIN = auto()  # train.py, on held-out rows
    TRAIN_COST = auto()  # train.py, time and size
    CARD = auto()  # the model card of a version
    COMPARISON = auto()  # page and plot that compare candidates: only what every problem has
    PIPELINE = auto()  # pipeline.py: only what the base-rate model has, too


TRAIN_CV, TRAIN, TRAIN_COST, CARD, COMPARISON, PIPELINE = Place
EVERYWHERE = TRAIN_CV | TRAIN | CARD | COMPARISON | PIPELINE


@dataclass(frozen=True)
class Metric:
    """A metric, and the places that show it."""

    name: str  # in MLflow after a prefix such as `test_` or `cv_`
    title: str
    direction: str
    places: Place


METRICS = (
    Metric("log_loss", "log loss", LOWER, EVERYWHERE),
    Metric("gain", "gain over base rate", HIGHER, TRAIN_CV),
    Metric("brier", "Brier score", LOWER, CARD | PIPELINE),
    Metric("roc_auc", "ROC AUC", HIGHER, EVERYWHERE),
    Metric("average_precision", "average precision", HIGHER, EVERYWHERE),
    Metric("ndcg", "NDCG", HIGHER, TRAIN | CARD),
    Metric("ranked_first", "positive row ranked first", HIGHER, TRAIN | CARD),
    Metric("calibration_slope", "calibration slope", ONE, TRAIN | CARD | COMPARISON),
    Metric("calibration_error", "calibration error", LOWER, TRAIN | CARD),
    Metric("precision", "precision", HIGHER, CARD),
    Metric("recall", "recall", HIGHER, CARD),
    Metric("accuracy", "accuracy", HIGHER, TRAIN | CARD | PIPELINE),
    Metric("accuracy_at_half", "accuracy at 0.5", HIGHER, TRAIN | CARD),
    Metric(
        "balanced_accuracy_at_base_rate", "balanced accuracy at base rate", HIGHER, TRAIN | CARD
    ),
    Metric("single_row_ms", "milliseconds per row", LOWER, TRAIN_COST),
    Metric("saved_mb", "megabytes saved", LOWER, TRAIN_COST),
)

TITLES = {metric.name: metric.title for metric in METRICS}


def shown_in(place: Place) -> list[Metric]:
    """The metrics that a table or plot shows, in its order."""
    return [metric for metric in METRICS if place in metric.places]

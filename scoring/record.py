"""The MLflow run of a scoring run: its counts, speed and score distribution, by its version."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import mlflow
from mlflow.entities import LoggedModelInput

from db.results import TableCounts
from db.runs import RunCounts
from registry.store import run_in_experiment, translate_mlflow_errors, without_retries
from registry.versions import RegisteredVersion
from scoring.tally import SCORE_BINS, RunStatistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "scoring"


@contextmanager
def open_mlflow_run(version: RegisteredVersion, params: Mapping[str, object]) -> Iterator[str]:
    """An MLflow run for the body, linked to the version; gives its id.

    Raises:
        RegistryError: MLflow cannot be written to.
    """
    tags = {"model_id": version.model_id, "logged_model_id": version.logged_model_id}
    with run_in_experiment(EXPERIMENT, f"score {version.model_id}", tags) as run:
        run_id = str(run.info.run_id)
        with translate_mlflow_errors():
            mlflow.log_params(dict(params))
            client = mlflow.MlflowClient()
            client.log_inputs(run_id, models=[LoggedModelInput(version.logged_model_id)])
            link = f"#/models/{version.name}/versions/{version.number}"
            client.set_tag(run_id, "mlflow.note.content", f"Scored by [{version.model_id}]({link})")
        yield run_id


def log_outcome(
    tally: RunStatistics, did: RunCounts, counts: TableCounts, outcome: str, seconds: float
) -> None:
    """Log to the active run what the scoring run did, and how the table stands now.

    Raises:
        RegistryError: MLflow cannot be written to.
    """
    metrics = {
        "run_scored": did.stored,
        "run_rejected": did.rejected,
        "rows_per_second": did.rows / seconds,
        "table_selected": counts.selected,
        "table_scored": counts.scored,
        "table_rejected": counts.rejected,
        "table_pending": counts.pending,
        **tally.metrics(),
    }
    with translate_mlflow_errors(), without_retries():
        mlflow.log_metrics(metrics)
        mlflow.set_tag("outcome", outcome)
        if tally.histogram.any():
            mlflow.log_figure(_distribution(tally), "score_distribution.png")
        if outcome == "interrupted":
            mlflow.end_run("KILLED")


def _distribution(tally: RunStatistics) -> "Figure":
    from matplotlib.figure import Figure  # here, as it takes time that no first batch should wait

    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    axes.stairs(tally.histogram, SCORE_BINS, fill=True)
    axes.set(xlabel="probability", ylabel="rows", yscale="log")
    axes.set_title(f"Scores of {tally.histogram.sum():,} rows")
    axes.yaxis.set_major_formatter("{x:,.0f}")  # as powers of ten they take longer than all else
    axes.yaxis.set_minor_formatter("")
    return figure

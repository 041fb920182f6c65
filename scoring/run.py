"""One scoring run: its version, its database retries, its statistics, and how it is reported.

`score_client.py` and `score_spark.py` share this: the summary in the terminal, the run in MLflow,
and the check that no row is lost.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import mlflow
import numpy as np
from mlflow.entities import LoggedModelInput
from sqlalchemy.exc import DBAPIError

from cli import UserError, one_line
from cli.terminal import print_message, print_table
from db.engine import is_transient
from db.results import TableCounts
from db.runs import RunCounts
from problems import Problem
from registry import aliases, store, versions
from registry.store import run_in_experiment, translate_mlflow_errors, without_retries
from registry.versions import RegisteredVersion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "scoring"
DESCRIPTION = "Runs of score_client.py and score_spark.py, each linked to the version that scored."
DATABASE_PAUSE = 0.5  # seconds between tries while the database is locked or full
SCORE_BINS = np.linspace(0, 1, 101)  # edges of the histogram of the probabilities

P = ParamSpec("P")
T = TypeVar("T")


class Incomplete(UserError):
    """The run ended with rows pending, or with counts that do not agree."""

    exit_code = 5


class TooManyRejected(UserError):
    """The version rejected more rows than `--max-rejected` allows."""

    exit_code = 5

    def __init__(self, model_id: str, reasons: Mapping[str, int]) -> None:
        counts = ", ".join(f"{n:,} rows: {reason}" for reason, n in list(reasons.items())[:5])
        super().__init__(
            f"{model_id} rejects more rows than --max-rejected allows ({counts}): correct the rows "
            "or the model and score again with --replay, or raise --max-rejected."
        )


@dataclass
class RunControl:
    """How a run is stopped, reports its progress, and retries its work in the database."""

    stop: threading.Event  # once set, the run stores what is in flight and sends nothing more
    max_wait: float  # seconds to retry while the database is locked or full
    advance: Callable[[int], None] = lambda _rows: None  # called with the rows just finished
    notify: Callable[[str], None] = print_message  # called when trouble starts and when it ends

    def retry_database(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work`, and call it again while the database is locked or full.

        Raises:
            DBAPIError: `max_wait` has passed, or the error is of another kind.
        """
        deadline, has_notified = time.monotonic() + self.max_wait, False
        while True:
            try:
                return work(*args, **kwargs)
            except DBAPIError as error:
                if not is_transient(error) or time.monotonic() > deadline:
                    raise
                if not has_notified:
                    reason = one_line(str(error.orig))
                    self.notify(f"The database cannot be used now ({reason}). Trying again ...")
                    has_notified = True
                time.sleep(DATABASE_PAUSE)  # even after a stop: the responses must be stored


@dataclass
class RunStatistics:
    """Statistics of a run's requests and scores; their size does not grow with the rows."""

    latencies: list[float] = field(default_factory=list)  # seconds per answered request
    failures: Counter[str] = field(default_factory=Counter)  # requests per kind of error
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(len(SCORE_BINS) - 1, "int64"))

    def add_scores(self, probabilities: np.ndarray) -> None:
        self.histogram += np.histogram(probabilities, SCORE_BINS)[0]

    def metrics(self) -> dict[str, float]:
        """Numbers of requests, and percentiles of the latency in milliseconds."""
        metrics = {"requests": float(len(self.latencies) + self.failures.total())}
        metrics |= {f"requests_failed_{kind}": float(n) for kind, n in self.failures.items()}
        if self.latencies:
            for percent in (50, 95, 99):
                latency = float(np.percentile(self.latencies, percent))
                metrics[f"latency_p{percent}_ms"] = latency * 1000
        return metrics


@dataclass
class RunOutcome:
    """How a run ended: its status, its duration in seconds, and the error that ended it."""

    status: str = "interrupted"  # or finished, limited (by --limit), failed
    seconds: float = 0.0
    error: UserError | None = None


def resolve_version(model: str, problem: Problem) -> tuple[RegisteredVersion, Problem]:
    """Return the version that `--model` names, and the problem with that version's features.

    Raises:
        RegistryError: there is no such version, or it belongs to another problem.
    """
    uri = model or aliases.champion_uri(problem.model_name)
    version = versions.resolve(store.connect(), uri)
    return version, versions.problem_for_version(version, problem)


@contextmanager
def open_mlflow_run(version: RegisteredVersion, params: Mapping[str, object]) -> Iterator[str]:
    """Keep an MLflow run open that is linked to the version; yields the run's id.

    Raises:
        RegistryError: MLflow's store cannot be written to.
    """
    tags = {"model_id": version.model_id, "logged_model_id": version.logged_model_id}
    with run_in_experiment(EXPERIMENT, DESCRIPTION, f"score {version.model_id}", tags) as run:
        run_id = str(run.info.run_id)
        with translate_mlflow_errors():
            mlflow.log_params(dict(params))
            client = mlflow.MlflowClient()
            client.log_inputs(run_id, models=[LoggedModelInput(version.logged_model_id)])
            link = f"#/{versions.page(version.name, version.number)}"
            client.set_tag(run_id, "mlflow.note.content", f"Scored by [{version.model_id}]({link})")
        yield run_id


@contextmanager
def track_outcome(stop: threading.Event, *, limited: bool) -> Iterator[RunOutcome]:
    """Fill in the outcome when the body ends; a `UserError` is kept for `report_outcome`."""
    outcome, started = RunOutcome(), time.monotonic()
    try:
        yield outcome
        if not stop.is_set():
            outcome.status = "limited" if limited else "finished"
    except UserError as error:
        outcome.status, outcome.error = "failed", error
    except Exception:
        outcome.status = "failed"
        raise
    finally:
        outcome.seconds = time.monotonic() - started


def report_outcome(
    title: str,
    outcome: RunOutcome,
    run_counts: RunCounts,
    counts: TableCounts,
    reasons: Mapping[str, int],
    statistics: RunStatistics,
) -> None:
    """Print a run's summary, log it to the active MLflow run, and raise the run's error.

    Raises:
        RegistryError: MLflow's store cannot be written to.
        UserError: the error that ended the run.
    """
    rate = run_counts.rows / outcome.seconds
    print_counts(
        title, counts, reasons, {"this run": run_counts.rows, "rows a second": round(rate)}
    )
    metrics = {
        "run_scored": run_counts.stored,
        "run_rejected": run_counts.rejected,
        "rows_per_second": rate,
        "table_selected": counts.selected,
        "table_scored": counts.scored,
        "table_rejected": counts.rejected,
        "table_pending": counts.pending,
        **statistics.metrics(),
    }
    with translate_mlflow_errors(), without_retries():
        mlflow.log_metrics(metrics)
        mlflow.set_tag("outcome", outcome.status)
        if statistics.histogram.any():
            mlflow.log_figure(_plot_scores(statistics), "score_distribution.png")
        if outcome.status == "interrupted":
            mlflow.end_run("KILLED")
    if outcome.error:
        raise outcome.error


def print_counts(
    title: str, counts: TableCounts, reasons: Mapping[str, int], extra: Mapping[str, int]
) -> None:
    """Print the counts of a table for a version, and the reasons of its rejected rows."""
    header = ("selected", "scored", "rejected", "pending", *extra)
    row = (counts.selected, counts.scored, counts.rejected, counts.pending, *extra.values())
    print_table(title, header, [row])
    if reasons:
        print_table("Rejected", ("rows", "reason"), [(n, reason) for reason, n in reasons.items()])


def check_counts(counts: TableCounts, outcome: RunOutcome, script: str) -> None:
    """Check that the counts agree, and that a finished run left no row pending.

    Raises:
        Incomplete: one of the two is not so.
    """
    if not counts.is_consistent:
        raise Incomplete(
            f"The counts do not agree: {counts.selected:,} selected, but {counts.scored:,} scored, "
            f"{counts.rejected:,} rejected and {counts.pending:,} pending; was the table changed "
            "by something other than ingest.py?"
        )
    if counts.pending and outcome.status == "finished":
        raise Incomplete(f"{counts.pending:,} rows are still pending: run {script} again.")


def _plot_scores(statistics: RunStatistics) -> "Figure":
    from matplotlib.figure import Figure  # imported late: it would delay the first batch

    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    axes.stairs(statistics.histogram, SCORE_BINS, fill=True)
    axes.set(xlabel="probability", ylabel="rows", yscale="log")
    axes.set_title(f"Scores of {statistics.histogram.sum():,} rows")
    axes.yaxis.set_major_formatter("{x:,.0f}")  # powers of ten are slow to draw
    axes.yaxis.set_minor_formatter("")
    return figure

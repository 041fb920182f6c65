"""Moves of the champion's alias, each a run of the MLflow experiment `promotions`."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_USER

from registry import aliases, store

EXPERIMENT = "promotions"
PROMOTED, REFUSED, MOVED, ROLLED_BACK = "promoted", "refused", "moved by hand", "rolled back"
UNDECIDED = "not finished"
NOBODY = "none"  # the champion's number where there was no champion


@dataclass(frozen=True)
class Decision:
    """One line of the history: who had the champion go from one version to another, and why."""

    time: datetime  # UTC
    user: str
    from_version: str
    to_version: str
    outcome: str
    reason: str
    run_id: str


@contextlib.contextmanager
def decision_run(model_name: str, before: str | None, after: str) -> Iterator[None]:
    """A run for a decision about the alias, in which it is made and followed.

    The run is there before the alias moves, so that no move is without one; `decided` ends it.
    """
    name = f"{model_name}: {before or NOBODY} to {after}"
    tags = {
        "model": model_name,
        "from": before or NOBODY,
        "to": after,
        "outcome": UNDECIDED,
    }
    with store.run_in_experiment(EXPERIMENT, name, tags):
        yield


def record_outcome(outcome: str, why: str) -> None:
    """Note in the active run what was decided, and why."""
    mlflow.set_tags({"outcome": outcome, "why": why})


def history(client: MlflowClient, model_name: str) -> list[Decision]:
    """All decisions about a model, the latest first."""
    with store.translate_mlflow_errors():
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return []
        store.require_not_deleted(experiment)
        runs: list[Run] = []
        token = None
        while True:
            page = client.search_runs(
                [experiment.experiment_id],
                f"tags.model = '{model_name}'",
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            runs += page
            if not (token := page.token):
                return [_entry(run) for run in runs]


def _entry(run: Run) -> Decision:
    tags = run.data.tags
    return Decision(
        datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        tags.get(MLFLOW_USER, ""),
        tags["from"],
        tags["to"],
        tags["outcome"],
        tags.get("why", ""),
        run.info.run_id,
    )


def move_champion(
    client: MlflowClient, model_name: str, before: str | None, number: str, outcome: str, why: str
) -> None:
    """Move the champion within the active run.

    Raises:
        RegistryError: another machine has moved it since it was `before`.
    """
    now = aliases.version_number(client, model_name, aliases.CHAMPION)
    if now != before:
        raise store.RegistryError(
            f"The champion of {model_name} was moved from {before or NOBODY} to {now or NOBODY} "
            "meanwhile: run promote.py again."
        )
    aliases.set_champion(client, model_name, number)
    record_outcome(outcome, why)

"""Decisions about the champion, each logged as a run of the MLflow experiment `promotions`."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

import mlflow
from mlflow import ActiveRun, MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_USER

from registry import aliases, store

EXPERIMENT = "promotions"
DESCRIPTION = "Decisions about which version is the champion: a run for each, with the reason."
PROMOTED, REFUSED, MOVED, ROLLED_BACK = "promoted", "refused", "moved by hand", "rolled back"
UNFINISHED = "not finished"
NO_VERSION = "none"  # logged in place of a number if there was no champion


@dataclass(frozen=True)
class Decision:
    """Who decided to replace the champion by another version, with which outcome, and why."""

    time: datetime  # UTC
    user: str
    from_version: str
    to_version: str
    outcome: str
    reason: str
    run_id: str


def decision_run(
    model_name: str, champion: str | None, number: str
) -> AbstractContextManager[ActiveRun]:
    """Start the run of a decision to replace the champion by the version `number`.

    The run starts before the alias moves, so every move is logged. `record_outcome` completes it.
    """
    before = champion or NO_VERSION
    tags = {"model": model_name, "from": before, "to": number, "outcome": UNFINISHED}
    name = f"{model_name}: {before} to {number}"
    return store.run_in_experiment(EXPERIMENT, DESCRIPTION, name, tags)


def record_outcome(outcome: str, reason: str) -> None:
    """Log the outcome of the decision to the active run."""
    mlflow.set_tags({"outcome": outcome, "why": reason})


def move_champion(
    client: MlflowClient, name: str, champion: str | None, number: str, outcome: str, reason: str
) -> None:
    """Make the version `number` the champion, and log it to the active run.

    Raises:
        RegistryError: `champion` is not the champion any more.
    """
    current = aliases.version_number(client, name, aliases.CHAMPION)
    if current != champion:
        raise store.RegistryError(
            f"The champion of {name} changed from {champion or NO_VERSION} to "
            f"{current or NO_VERSION} in the meantime: run promote.py again."
        )
    aliases.set_champion(client, name, number)
    record_outcome(outcome, reason)


def history(client: MlflowClient, model_name: str) -> list[Decision]:
    """Return all decisions about a model, the newest first."""
    with store.translate_mlflow_errors():
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return []
        store.require_not_deleted(experiment)
        runs: list[Run] = mlflow.search_runs(
            [experiment.experiment_id],
            f"tags.model = '{model_name}'",
            order_by=["attributes.start_time DESC"],
            output_format="list",
        )
        return [_decision(run) for run in runs]


def _decision(run: Run) -> Decision:
    tags = run.data.tags
    return Decision(
        time=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        user=tags.get(MLFLOW_USER, ""),
        from_version=tags["from"],
        to_version=tags["to"],
        outcome=tags["outcome"],
        reason=tags.get("why", ""),
        run_id=run.info.run_id,
    )

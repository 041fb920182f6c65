"""The model versions that a worker has loaded, and the active version of each alias.

A worker regularly refreshes the aliases. It loads a new version beside the active one, and
activates it only if its canary rows get the probabilities that were logged at training. Requests
that are in progress keep the version that they started with.
"""

import contextlib
import time
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.types import DataType, Schema

import cli
from cli import UserError
from cli.terminal import print_message
from registry import aliases, model_files, store, versions
from registry.versions import RegisteredVersion
from scorecard.tables import SCORECARD_FILE, Scorecard, ScorecardError
from serving import telemetry
from serving.errors import RequestError
from serving.fast_predict import FastModel
from serving.settings import Settings

KEEP_SECONDS = 600.0  # how long a replaced version stays loaded after its last use
RETRY_SECONDS = 60.0  # until a version that failed is loaded again


class VersionError(UserError):
    """A version cannot be served."""


@dataclass
class LoadedVersion:
    """A version in memory, ready for requests."""

    version: RegisteredVersion
    model: FastModel
    run_id: str
    signature: dict[str, Any]
    input_schema: Schema
    columns: list[str]
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    last_used_at: float = field(default_factory=time.monotonic)  # last requested by name

    def is_version(self, number: str, logged_model_id: str | None) -> bool:
        """Whether it has this number and logged model: a deleted model's numbers are reused."""
        logged_model_ids = (None, self.version.logged_model_id)
        return self.version.number == str(number) and logged_model_id in logged_model_ids


@dataclass
class AliasState:
    """The active version of an alias, and why the version of the alias is not active."""

    alias: str
    active: LoadedVersion | None = None
    refusal: dict[str, str] | None = None  # version, why, at
    attempted: tuple[str, str | None] | None = None  # number and logged model that failed last
    attempted_at: float = 0.0


class ModelVersions:
    """All versions that a worker has loaded; a single thread calls `refresh`."""

    def __init__(self, settings: Settings) -> None:
        self._model_name = settings.model_name
        self._client: MlflowClient | None = None
        self._states = {alias: AliasState(alias) for alias in settings.aliases}
        self._default = self._states[settings.aliases[0]]
        self._loaded: dict[str, LoadedVersion] = {}  # by model id, such as NAME/3

    def alias_state(self, alias: str) -> AliasState:
        """The state of an alias; "" means the first one.

        Raises:
            RequestError: this server does not serve the alias.
        """
        state = self._states.get(alias) if alias else self._default
        if state is None:
            message = f"This server has only these aliases: {', '.join(self._states)}."
            raise RequestError(404, "NOT_FOUND", message)
        return state

    def is_loaded(self, model_id: str) -> bool:
        return model_id in self._loaded

    def select(self, state: AliasState, model_id: str | None) -> LoadedVersion:
        """The active version of an alias, or the version with `model_id` if it is still loaded.

        Raises:
            RequestError: there is no such version.
        """
        if state.active is None:
            message = f"No version is loaded as {state.alias}: GET /model shows why."
            raise RequestError(503, "NOT_READY", message, {"Retry-After": "5"})
        active_id = state.active.version.model_id
        if model_id is None or model_id == active_id:
            return state.active
        loaded = self._loaded.get(model_id)
        if loaded is None:
            message = f"The requested version is not loaded: {state.alias} is {active_id}."
            raise RequestError(412, "OTHER_VERSION", message)
        loaded.last_used_at = time.monotonic()
        return loaded

    @property
    def is_ready(self) -> bool:
        """Whether the first alias has an active version."""
        return self._default.active is not None

    def refresh(self) -> None:
        """Activate the current version of each alias, and unload versions that nobody uses."""
        for state in self._states.values():
            try:
                self._refresh_alias(state)
            except UserError as error:
                self._refuse(state, str(error))
            except Exception as error:  # the active version must continue to serve
                locations = " ".join(telemetry.error_locations(error))
                self._refuse(state, f"Unexpected error: {locations}")
        self._unload_unused()

    def _refresh_alias(self, state: AliasState) -> None:
        name = self._model_name
        if self._client is None:
            self._client = store.connect()
        with store.without_retries():
            number = aliases.version_number(self._client, name, state.alias)
            if number is None:
                raise VersionError(f"No version of {name} has the alias {state.alias}.")
            logged_model_id = versions.get_version(self._client, name, number).model_id
            current = (number, logged_model_id)
            if state.active and state.active.is_version(*current):
                self._clear_refusal(state)
                return
            retry_at = state.attempted_at + RETRY_SECONDS
            if state.attempted == current and time.monotonic() < retry_at:
                return
            state.attempted, state.attempted_at = current, time.monotonic()
            loaded = self._loaded.get(f"{name}/{number}")
            if loaded is None or not loaded.is_version(*current):
                loaded = load_version(versions.resolve(self._client, f"models:/{name}/{number}"))
        self._activate(state, loaded)

    def _activate(self, state: AliasState, new: LoadedVersion) -> None:
        old, state.active = state.active, new
        self._clear_refusal(state)
        model_id, before = new.version.model_id, ""
        self._loaded[model_id] = new
        if old:
            before = old.version.model_id
            old.last_used_at = time.monotonic()
            telemetry.ACTIVE_WORKERS.labels(state.alias, before).set(0)
        telemetry.ACTIVE_WORKERS.labels(state.alias, model_id).set(1)
        telemetry.log_event("activated", alias=state.alias, version=model_id, before=before)

    def _clear_refusal(self, state: AliasState) -> None:
        state.refusal = state.attempted = None
        telemetry.REFUSING_WORKERS.labels(state.alias).set(0)

    def _refuse(self, state: AliasState, reason: str) -> None:
        if state.refusal and state.refusal["why"] == reason:
            return
        model_id = f"{self._model_name}/{state.attempted[0]}" if state.attempted else ""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        state.refusal = {"version": model_id, "why": reason, "at": now}
        telemetry.REFUSING_WORKERS.labels(state.alias).set(1)
        active_id = state.active.version.model_id if state.active else None
        print_message(f"No version was activated as {state.alias}: {reason}")
        telemetry.log_event(
            "refused", alias=state.alias, version=model_id, why=reason, active=active_id
        )

    def _unload_unused(self) -> None:
        oldest = time.monotonic() - KEEP_SECONDS
        active = {id(state.active) for state in self._states.values()}
        for model_id, loaded in list(self._loaded.items()):
            if id(loaded) not in active and loaded.last_used_at < oldest:
                del self._loaded[model_id]


def load_version(version: RegisteredVersion) -> LoadedVersion:
    """Load a version and check its canary rows.

    Raises:
        UntrustedModelError: its files are not what train.py writes, or were changed since.
        VersionError: it cannot be loaded, or its canary rows get other probabilities.
    """
    try:
        model, scorecard = model_files.load_with_file(version, SCORECARD_FILE)
        canary_rows = pd.DataFrame(list(version.canary.rows), columns=list(version.features))
        schema = model.metadata.get_input_schema()
        types = {c.name: "float64" if c.type == DataType.double else "str" for c in schema.inputs}
        canary_rows = canary_rows.astype(types)
        card = None
        with contextlib.suppress(ScorecardError):  # written by a later release
            card = Scorecard.from_json(scorecard) if scorecard is not None else None
        fast_model = FastModel(model, canary_rows, card)
        if scorecard is not None and not fast_model.uses_scorecard:
            telemetry.log_event("scorecard_refused", version=version.model_id)
        probabilities = fast_model.predict(canary_rows)
    except UserError:
        raise
    except Exception as error:
        reason = cli.one_line("".join(traceback.format_exception_only(error)))
        raise VersionError(f"{version.model_id} cannot be loaded ({reason}).") from error
    if not version.canary.is_answered_by(probabilities[:, 1].tolist()):
        raise VersionError(
            f"{version.model_id} fails its canary check: its files were changed, or other versions "
            "of its libraries are installed here."
        )
    return LoadedVersion(
        version,
        fast_model,
        model.metadata.run_id,
        model.metadata.signature.to_dict(),
        schema,
        schema.input_names(),
    )

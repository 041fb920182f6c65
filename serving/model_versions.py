"""The versions that a worker has loaded, and which of them answers for each alias.

Now and then it looks where the aliases point. A new version is loaded beside the one that answers,
and takes over only after it gave its canary rows the answers that were logged for them; one that
does not never answers. Requests hold on to the version that they began with.
"""

import time
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.pyfunc import PyFuncModel, scoring_server
from mlflow.types import DataType
from starlette.types import ASGIApp

from cli import UserError
from cli.terminal import print_message
from registry import aliases, model_files, store, versions
from serving import telemetry
from serving.errors import RequestError
from serving.fast_predict import FastModel
from serving.settings import Settings

KEEP_SECONDS = 600.0  # that a replaced version stays for those who began with it
RETRY_SECONDS = 60.0  # until a version that failed is tried once more


class VersionError(UserError):
    """A version cannot be served."""


@dataclass
class LoadedVersion:
    """A version ready to answer, by MLflow's own scoring application."""

    version: versions.RegisteredVersion
    app: ASGIApp
    run_id: str
    signature: dict[str, Any]
    columns: list[str]
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    asked_at: float = field(default_factory=time.monotonic)  # for it, and for no other


@dataclass
class AliasState:
    """What answers for an alias, and why what it points to does not."""

    alias: str
    loaded: LoadedVersion | None = None
    refused: dict[str, str] | None = None  # version, why, at
    tried: tuple[str, str | None] | None = None  # the number and logged model that failed last
    tried_at: float = 0.0


class ModelVersions:
    """All that a worker has loaded; one thread looks, any may ask."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: MlflowClient | None = None
        self._slots = {alias: AliasState(alias) for alias in settings.aliases}
        self._loaded: dict[str, LoadedVersion] = {}  # by version, such as NAME/3

    def slot(self, alias: str) -> AliasState:
        """The slot of an alias; of the first one for "".

        Raises:
            Refusal: this server does not serve it.
        """
        found = self._slots.get(alias or self._settings.aliases[0])
        if found is None:
            raise RequestError(
                404, "NOT_FOUND", f"Served are {', '.join(self._slots)}, nothing else."
            )
        return found

    def has(self, model_id: str) -> bool:
        """Is such a version, as NAME/3, loaded."""
        return model_id in self._loaded

    def answering(self, slot: AliasState, wanted: str | None) -> LoadedVersion:
        """What answers for an alias, or the `wanted` version as long as it is kept.

        Raises:
            Refusal: there is none.
        """
        if slot.loaded is None:
            raise RequestError(
                503, "NOT_READY", f"No version is loaded as {slot.alias}; GET /model tells why.",
                {"Retry-After": "5"},
            )  # fmt: skip
        if wanted is None or wanted == slot.loaded.version.model_id:
            return slot.loaded
        kept = self._loaded.get(wanted)
        if kept is None:
            raise RequestError(
                412, "OTHER_VERSION",
                f"The version asked for by X-Model-Version is not here; {slot.alias} is "
                f"{slot.loaded.version.model_id}.",
            )  # fmt: skip
        kept.asked_at = time.monotonic()
        return kept

    @property
    def ready(self) -> bool:
        """Is there something loaded to answer for the first alias."""
        return self.slot("").loaded is not None

    def look(self) -> None:
        """Find out where the aliases point now, load what is new, drop what nobody asks for."""
        for slot in self._slots.values():
            try:
                self._look(slot)
            except UserError as error:
                self._refuse(slot, str(error))
            except Exception as error:  # nothing that happens here may stop what answers
                self._refuse(
                    slot, f"A fault of this program: {' '.join(telemetry.error_locations(error))}"
                )
        self._drop()

    def _look(self, slot: AliasState) -> None:
        name = self._settings.model_name
        if self._client is None:
            self._client = store.connect()
        with store.without_retries():
            number = aliases.version_number(self._client, name, slot.alias)
            if number is None:
                raise VersionError(f"No version of {name} has the alias {slot.alias}.")
            logged = versions.get_version(self._client, name, number).model_id
            if slot.loaded and _is(slot.loaded, number, logged):
                self._accept(slot)
                return
            if slot.tried == (number, logged) and time.monotonic() < slot.tried_at + RETRY_SECONDS:
                return
            slot.tried, slot.tried_at = (number, logged), time.monotonic()
            found = self._loaded.get(f"{name}/{number}")
            if found is None or not _is(found, number, logged):
                found = load_version(versions.resolve(self._client, f"models:/{name}/{number}"))
        self._take_over(slot, found)

    def _take_over(self, slot: AliasState, new: LoadedVersion) -> None:
        old, slot.loaded = slot.loaded, new
        self._accept(slot)
        self._loaded[new.version.model_id] = new
        if old:
            old.asked_at = time.monotonic()
            telemetry.ACTIVE_WORKERS.labels(slot.alias, old.version.model_id).set(0)
        telemetry.ACTIVE_WORKERS.labels(slot.alias, new.version.model_id).set(1)
        telemetry.log_event(
            "takes over",
            alias=slot.alias,
            version=new.version.model_id,
            before=old.version.model_id if old else None,
        )

    def _accept(self, slot: AliasState) -> None:
        slot.refused = slot.tried = None
        telemetry.REFUSING_WORKERS.labels(slot.alias).set(0)

    def _refuse(self, slot: AliasState, why: str) -> None:
        if slot.refused and slot.refused["why"] == why:
            return
        version = f"{self._settings.model_name}/{slot.tried[0]}" if slot.tried else ""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        slot.refused = {"version": version, "why": why, "at": now}
        telemetry.REFUSING_WORKERS.labels(slot.alias).set(1)
        goes_on = slot.loaded.version.model_id if slot.loaded else None
        print_message(f"Refused as {slot.alias}: {why}")
        telemetry.log_event("refused", alias=slot.alias, version=version, why=why, goes_on=goes_on)

    def _drop(self) -> None:
        long_ago = time.monotonic() - KEEP_SECONDS
        used = {id(slot.loaded) for slot in self._slots.values()}
        for model_id, loaded in list(self._loaded.items()):
            if id(loaded) not in used and loaded.asked_at < long_ago:
                del self._loaded[model_id]


def _is(loaded: LoadedVersion, number: str, logged_model_id: str | None) -> bool:
    """Is it this very version: a number may be given again after a model was deleted."""
    version = loaded.version
    return version.number == str(number) and logged_model_id in (None, version.logged_model_id)


def load_version(version: versions.RegisteredVersion) -> LoadedVersion:
    """Load a version and have it answer its canary rows.

    Raises:
        UntrustedModelError: its files are not what train.py writes, or were changed since.
        VersionRefused: it cannot be loaded, or does not answer as logged.
    """
    try:
        model = model_files.load(version)
        canary = pd.DataFrame(list(version.canary.rows), columns=list(version.features)).astype(
            _types(model)
        )
        quick = FastModel(model, canary)
        answers = quick.predict(canary)
    except UserError:
        raise
    except Exception as error:
        reason = " ".join("".join(traceback.format_exception_only(error)).split())[:300]
        raise VersionError(f"{version.model_id} cannot be loaded ({reason}).") from error
    if not version.canary.is_answered_by(answers[:, 1].tolist()):
        raise VersionError(
            f"{version.model_id} does not answer its canary rows as it did when it was trained: "
            "its files were changed, or other versions of its libraries are installed here."
        )
    return LoadedVersion(
        version,
        scoring_application(quick),
        model.metadata.run_id,
        model.metadata.signature.to_dict(),
        model.metadata.get_input_schema().input_names(),
    )


def _types(model: PyFuncModel) -> dict[str, Any]:
    """The types of a served row's columns in a data frame."""
    columns = model.metadata.get_input_schema().inputs
    return {c.name: "float64" if c.type == DataType.double else "str" for c in columns}


def scoring_application(quick: FastModel) -> ASGIApp:
    """MLflow's scoring application for a model, without its timeout: ours is around all of it."""
    app: Any = scoring_server.init(quick)  # type: ignore[arg-type]  # has all that it asks for
    app.user_middleware.clear()
    return app

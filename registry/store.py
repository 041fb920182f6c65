"""Reach the MLflow store, and open runs in our own experiments, inside `mlflow run` or by hand."""

import contextlib
import fcntl
import logging
import os
import re
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import mlflow
from mlflow import ActiveRun, MlflowClient
from mlflow.entities import Experiment
from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_RUN_ID,
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT,
    MLFLOW_TRACKING_URI,
)
from mlflow.exceptions import MlflowException
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from cli import UserError
from db.engine import POSTGRESQL_DRIVERS, database_url, open_database

DEFAULT_FILE = "mlflow.db"
STORE = "see whether MLFLOW_TRACKING_URI names a store, and whether its server is up"
LOGIN = "give MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"


class RegistryError(UserError):
    """MLflow's store or registry cannot be used as asked."""


def connect(*, create: bool = False) -> MlflowClient:
    """A client for `MLFLOW_TRACKING_URI`, else for the store in this folder.

    Raises:
        RegistryError: there is no store (only `create` makes one), or it does not answer.
        DatabaseError: it is one in PostgreSQL, which does not answer.
    """
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # it prints the traceback of what it raises, which `explained` tells in a sentence
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    uri = MLFLOW_TRACKING_URI.get() or default_uri(Path.cwd())
    path = _file_of(uri)
    if path and not path.exists() and not create:
        raise RegistryError(
            f"There is no MLflow store at {path}: train first with `python train.py`, "
            "or name another with MLFLOW_TRACKING_URI."
        )
    if path and not path.parent.is_dir():
        raise RegistryError(f"There is no folder {path.parent} for the MLflow store {path.name}.")
    if uri.startswith(tuple(f"{driver}:" for driver in POSTGRESQL_DRIVERS)):
        with open_database(database_url(uri)):  # MLflow itself would try for minutes
            pass
    mlflow.set_tracking_uri(uri)
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)  # the address, with its password
    with (
        translate_mlflow_errors(),
        _alone_with(uri) if create else contextlib.nullcontext(),
        without_retries(),
    ):
        client = MlflowClient()
        client.search_experiments(max_results=1)
    return client


@contextlib.contextmanager
def without_retries() -> Iterator[None]:
    """Try a tracking server once: MLflow's retries would take minutes to say it is not there."""
    before = MLFLOW_HTTP_REQUEST_MAX_RETRIES.get_raw()
    MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(0)
    try:
        yield
    finally:
        if before is None:
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.unset()
        else:
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(before)


@contextlib.contextmanager
def _alone_with(uri: str) -> Iterator[None]:
    """Hold this machine's lock for the store: two processes that make a new one at once spoil it.

    That of a file's own folder, or for all other stores together, of the folder of temporary files.
    """
    path = _file_of(uri)
    descriptor = os.open(path.parent if path else tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which lets go of the lock


@contextlib.contextmanager
def lock_on_this_machine() -> Iterator[None]:
    """Until the body ends, no other process of this machine is in such a body with this store."""
    with _alone_with(mlflow.get_tracking_uri()):
        yield


def uri_without_password() -> str:
    """The store's address without a password."""
    uri = mlflow.get_tracking_uri()
    try:
        return make_url(uri).render_as_string(hide_password=True)
    except ArgumentError:
        return uri


@contextlib.contextmanager
def translate_mlflow_errors() -> Iterator[None]:
    """Turn MLflow's own errors into one sentence."""
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        hidden = re.sub(r"//[^/@\s]*@", "//***@", str(error))
        reason = textwrap.shorten(hidden, 300, placeholder=" …").rstrip(".")
        hint = LOGIN if "error code 401" in reason else STORE
        raise RegistryError(
            f"MLflow at {uri_without_password()} refused ({reason}): {hint}."
        ) from error


@contextlib.contextmanager
def run_in_experiment(experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[ActiveRun]:
    """A run in our own experiment.

    `mlflow run` starts a run of its own, which the first `start_run` would resume: it is set aside
    here, and tagged with the id of the run that does the work.
    """
    envelope = os.environ.pop(MLFLOW_RUN_ID.name, None)
    with translate_mlflow_errors():
        # not start_run(experiment_id=…): logged models go to the active experiment
        mlflow.set_experiment(experiment_id=_experiment_id(experiment))
        run = mlflow.start_run(run_name=name, tags=dict(tags))
        if envelope:
            mlflow.set_tag("project_run", envelope)
            MlflowClient().set_tag(envelope, f"{name}_run", run.info.run_id)
    try:
        yield run
    except BaseException as error:
        # the store may be what failed: that is not to hide why
        with contextlib.suppress(MlflowException, SQLAlchemyError), without_retries():
            mlflow.end_run("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    with translate_mlflow_errors(), without_retries():
        mlflow.end_run()


def _experiment_id(name: str) -> str:
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is None:
        try:
            # else the UI takes a scoring run for an evaluation of a language model
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return mlflow.create_experiment(name, _artifact_location(name), tags=kind)
        except MlflowException:  # another process was first
            experiment = mlflow.get_experiment_by_name(name)
            if experiment is None:
                raise
    require_not_deleted(experiment)
    return experiment.experiment_id


def default_uri(folder: Path) -> str:
    """The address of the store in a folder.

    MLflow creates the folder of a `sqlite:///` address without decoding it, and so a second one
    beside a folder whose name has to be encoded. It leaves that to us if the driver is named.
    """
    path = str(folder / DEFAULT_FILE)
    plain = URL.create("sqlite", database=path).render_as_string()
    return plain if plain == f"sqlite:///{path}" else plain.replace("sqlite", "sqlite+pysqlite", 1)


def _artifact_location(experiment: str) -> str | None:
    """Where the artifacts of a new experiment go; None for the store's own default.

    That is a bare path for a store in a file, which MLflow misreads as an address if it has a `?`,
    a `#` or a `%`.
    """
    if _file_of(mlflow.get_tracking_uri()) and re.search("[?#%]", str(Path.cwd())):
        return (Path.cwd() / "mlruns" / experiment).as_uri()
    return None


def require_not_deleted(experiment: Experiment) -> None:
    """Make sure that an experiment was not deleted.

    Raises:
        RegistryError: it was.
    """
    if experiment.lifecycle_stage == "deleted":
        raise RegistryError(
            f"The MLflow experiment {experiment.name!r} was deleted: restore it with "
            f"`mlflow experiments restore -x {experiment.experiment_id}`."
        )


def _file_of(uri: str) -> Path | None:
    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

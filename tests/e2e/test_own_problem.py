"""A user's problem in a folder outside the project runs through all steps."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from playwright.sync_api import Page

import problems
import promote
from registry import model_files, versions
from registry.store import default_uri
from tests.support.databases import new_postgres_database, query
from tests.support.own_problem import MEASURES, biopsies, copy_problem
from tests.support.project import PROJECT
from tests.support.scripts import run_script
from tests.support.servers import form_server, mlflow_models_serve


@dataclass(frozen=True)
class Elsewhere:
    """A folder outside the project with the problem, its data, its database and its store."""

    folder: Path

    @property
    def problem(self) -> Path:
        return self.folder / "my problem"

    @property
    def database(self) -> str:
        return str(self.folder / "hospital.db")

    @property
    def store(self) -> str:
        return default_uri(self.folder)

    def run(self, script: str, *flags: object, database: str = "hospital.db") -> None:
        """Run a script in the folder, as a user does."""
        where = ("--problem", "my problem", "--database", database)
        done = run_script(script, *where, *flags, cwd=self.folder)
        assert done.returncode == 0, done.stderr


def project_files() -> dict[Path, int]:
    """The files of the project without its tests, with the times of their last changes."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", ":!tests"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return {p: p.stat().st_mtime_ns for name in listed if (p := PROJECT / name).exists()}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """The folder after ingest.py, train.py and promote.py; no file of the project changes.

    Its path contains characters that have a meaning in URLs.
    """
    parent = tmp_path_factory.mktemp("elsewhere")
    there = Elsewhere(parent / "a b?c#d%20é")
    there.folder.mkdir()
    copy_problem(there.folder)
    (there.folder / "data").mkdir()
    biopsies().to_csv(there.folder / "data" / "biopsies.csv", index=False)
    before = project_files()
    there.run("ingest.py", "--source", "data")
    there.run("train.py", "--folds", 2, "--repeats", 1, "--jobs", 1)
    there.run("promote.py")
    yield there
    assert project_files() == before
    assert [path.name for path in parent.iterdir()] == [there.folder.name]


@pytest.fixture(scope="module")
def champion(elsewhere: Elsewhere) -> Iterator[str]:
    """The address of a real `mlflow models serve` that serves the champion."""
    log = elsewhere.folder / "server.log"
    # served from a copy, because MLflow cannot load a model from such a path
    copy = model_files.checked_copy(champion_of(elsewhere.store))
    with copy as model, mlflow_models_serve(str(model), elsewhere.store, log) as url:
        yield url


def champion_of(store: str) -> versions.RegisteredVersion:
    mlflow.set_tracking_uri(store)
    return versions.resolve(mlflow.MlflowClient(), "models:/biopsies@champion")


def test_every_row_is_scored_by_the_served_champion(
    elsewhere: Elsewhere, champion: str, postgres: str
) -> None:
    shared = new_postgres_database(postgres)
    elsewhere.run("ingest.py", "--source", "data", database=shared)
    for database in ("hospital.db", shared, "hospital.db"):  # the third run has nothing to do
        flags = ("--endpoint", champion, "--batch-size", 100)
        elsewhere.run("score_client.py", *flags, database=database)
    for database in (elsewhere.database, shared):
        assert_scored_as_the_champion_does(database, elsewhere.store)


def assert_scored_as_the_champion_does(database: str, store: str) -> None:
    """Check that each row has one result: the champion's probability and outcome label."""
    columns = ["biopsy", "finding", "probability", "mean radius"]
    rows = query(
        database,
        'SELECT biopsy, finding, malignant_probability, "mean radius" FROM results_biopsies '
        "WHERE source = 'batch'",
    )
    results = pd.DataFrame(rows, columns=columns)
    frame = biopsies()
    assert sorted(results["biopsy"]) == sorted(frame["biopsy"])
    version = champion_of(store)
    model = model_files.load(version).get_raw_model()
    joined = frame.merge(results, on="biopsy", suffixes=("", " stored"))
    expected = model.predict_proba(joined[MEASURES])[:, 1]
    assert joined["probability"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert (joined["mean radius stored"] == joined["mean radius"]).all()
    is_yes = joined["probability"] >= version.threshold
    assert (joined["finding"] == is_yes.map({True: "Malignant", False: "Benign"})).all()
    assert (is_yes == joined["malignant"].astype(bool)).mean() > 0.9


def test_a_row_is_scored_with_the_form_of_the_problem(
    elsewhere: Elsewhere, champion: str, page: Page, tmp_path: Path
) -> None:
    row = biopsies().iloc[0]
    flags = ("--problem", elsewhere.problem, "--champion", champion)
    with form_server(elsewhere.store, elsewhere.database, tmp_path, *flags) as url:
        page.goto(url)
        for name in MEASURES:
            page.get_by_label(name.capitalize(), exact=True).fill(str(row[name]))
        page.get_by_role("button", name="Score").click()
        assert page.locator(".verdict").inner_text().startswith("Malignant: the probability of")
    assert query(
        elsewhere.database,
        "SELECT biopsy, finding, \"mean radius\" FROM results_biopsies WHERE source = 'form'",
    ) == [(None, "Malignant", row["mean radius"])]


def test_its_versions_are_in_an_experiment_of_the_problem(elsewhere: Elsewhere) -> None:
    client = mlflow.MlflowClient(elsewhere.store)
    registered = client.search_model_versions("name = 'biopsies'")
    assert {version.tags["candidate"] for version in registered} == {"logistic", "boosted_trees"}
    assert client.get_experiment_by_name("biopsies")
    assert set(client.get_registered_model("biopsies").aliases) == {"champion", "challenger"}


def test_promote_prefers_a_faster_version_that_is_as_good(elsewhere: Elsewhere) -> None:
    client = mlflow.MlflowClient(elsewhere.store)
    registered = client.search_model_versions("name = 'biopsies'")
    runs = {v.version: client.get_run(str(v.run_id)).data.metrics for v in registered}
    best, other = sorted(registered, key=lambda version: runs[version.version]["cv_log_loss"])
    names = ("cv_log_loss_se", "single_row_ms")
    mlflow.set_tracking_uri(elsewhere.store)
    problem = problems.load(str(elsewhere.problem))

    def first_when(error: float, best_ms: float, other_ms: float) -> str:
        for version, milliseconds in ((best, best_ms), (other, other_ms)):
            for name, value in zip(names, (error, milliseconds), strict=True):
                client.log_metric(str(version.run_id), name, value)
        return promote.ranked_candidates(client, problem, "", set())[0].number

    assert first_when(error=9.0, best_ms=28.0, other_ms=5.0) == str(other.version)
    assert first_when(error=9.0, best_ms=9.0, other_ms=5.0) == str(best.version)
    assert first_when(error=0.0, best_ms=28.0, other_ms=5.0) == str(best.version)
    for version in registered:
        for name in names:
            client.log_metric(str(version.run_id), name, runs[version.version][name])

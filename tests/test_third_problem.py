"""A problem that the project has never heard of: a folder elsewhere, and a table of the user's."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page
from sklearn.datasets import load_breast_cancer

import ingest
import problems
import promote
import score_client
import train
from registry import versions
from tests.browsing import form_of
from tests.helpers import PROJECT, new_postgres_database, query, run_main, run_script
from tests.servers import serving

FOLDER = PROJECT / "tests" / "third_problem"
GUIDE = (PROJECT / "docs" / "own-problem.md").read_text()


def project_files() -> dict[Path, int]:
    """The project's own files, with the time of their last change."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return {p: p.stat().st_mtime_ns for name in listed if (p := PROJECT / name).exists()}


def biopsies() -> pd.DataFrame:
    data = load_breast_cancer(as_frame=True)
    frame = data.data.assign(malignant=1 - data.target)
    frame.insert(0, "biopsy", [f"Gewebe {number:03d}/ä" for number in range(len(frame))])
    return frame


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder outside the project: the problem, its data, and both stores after promote.py."""
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(FOLDER, folder / "my problem", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data").mkdir()
    biopsies().to_csv(folder / "data" / "biopsies.csv", index=False)
    before = project_files()
    where = ("--problem", "my problem", "--database", "hospital.db")
    for script, *flags in (
        ("ingest.py", *where, "--source", "data"),
        ("train.py", *where, "--folds", "3", "--repeats", "2"),
        ("promote.py", *where),
    ):
        done = run_script(script, *flags, cwd=folder)
        assert done.returncode == 0, done.stderr
    yield folder
    assert project_files() == before


def test_every_row_is_scored_by_the_served_champion(elsewhere: Path, postgres: str) -> None:
    where = ("--problem", elsewhere / "my problem", "--database")
    file, shared = f"sqlite:///{elsewhere / 'hospital.db'}", new_postgres_database(postgres)
    done = run_script("ingest.py", *where, shared, "--source", "data", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    store = f"sqlite:///{elsewhere / 'mlflow.db'}"
    with serving("models:/biopsies@champion", store, elsewhere / "server.log") as url:
        for database in (file, shared, file):  # the second run finds nothing to do
            done = run_script(
                "score_client.py", *where, database, "--endpoint", url, "--batch-size", 100,
                cwd=elsewhere,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    for database in (file, shared):
        assert_scored_as_the_champion_does(database, store)


def assert_scored_as_the_champion_does(database: str, store: str) -> None:
    rows = query(
        database,
        'SELECT biopsy, finding, malignant_probability, "mean radius" FROM results_biopsies',
    )
    stored = pd.DataFrame(rows, columns=["biopsy", "finding", "probability", "mean radius"])
    frame = biopsies()
    assert sorted(stored["biopsy"]) == sorted(frame["biopsy"])
    mlflow.set_tracking_uri(store)
    version = versions.resolve(mlflow.MlflowClient(), "models:/biopsies@champion")
    model = mlflow.sklearn.load_model(version.uri)
    joined = frame.merge(stored, on="biopsy", suffixes=("", " kept"))
    expected = model.predict_proba(joined[list(load_breast_cancer().feature_names)])[:, 1]
    assert joined["probability"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert (joined["mean radius kept"] == joined["mean radius"]).all()
    said = joined["probability"] >= version.threshold
    assert (joined["finding"] == said.map({True: "Malignant", False: "Benign"})).all()
    assert (said == joined["malignant"].astype(bool)).mean() > 0.9


def test_a_row_is_entered_by_hand_in_a_form_of_its_own(elsewhere: Path, page: Page) -> None:
    store, row = f"sqlite:///{elsewhere / 'mlflow.db'}", biopsies().iloc[0]
    flags = ("--problem", elsewhere / "my problem")
    with (
        serving("models:/biopsies@champion", store, elsewhere / "form.log") as champion,
        form_of(store, elsewhere / "hospital.db", elsewhere, *flags, "--champion", champion) as url,
    ):
        page.goto(url)
        for name in load_breast_cancer().feature_names:
            page.get_by_label(name.capitalize(), exact=True).fill(str(row[name]))
        page.get_by_role("button", name="Ask").click()
        assert page.locator(".verdict").inner_text().startswith("Malignant, with a probability")
    (stored,) = query(
        elsewhere / "hospital.db",
        "SELECT biopsy, finding, \"mean radius\" FROM results_biopsies WHERE source = 'form'",
    )
    assert stored == (None, "Malignant", row["mean radius"])


def test_its_versions_stand_beside_each_other_in_its_own_experiment(elsewhere: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{elsewhere / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    found = {v.tags["candidate"] for v in client.search_model_versions("name = 'biopsies'")}
    assert found == {"logistic", "boosted_trees"}
    assert client.get_experiment_by_name("biopsies")
    assert set(client.get_registered_model("biopsies").aliases) == {"champion", "challenger"}


def test_promote_passes_over_one_as_good_that_is_slower_for_a_row(elsewhere: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{elsewhere / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    found = client.search_model_versions("name = 'biopsies'")
    best, other = sorted(found, key=lambda version: float(version.tags["cv_log_loss"]))
    names = ("cv_log_loss_se", "single_row_ms")
    before = {v.version: {name: v.tags[name] for name in names} for v in found}

    problem = problems.load(str(elsewhere / "my problem"))

    def first_when(error: float, best_ms: float, other_ms: float) -> str:
        for version, milliseconds in ((best, best_ms), (other, other_ms)):
            tags = zip(names, (error, milliseconds), strict=True)
            for name, value in tags:
                client.set_model_version_tag("biopsies", version.version, name, str(value))
        ranked = promote.contenders(client, problem, promote.parser().parse_args([]))
        return str(ranked[0].version)

    assert first_when(error=9.0, best_ms=28.0, other_ms=5.0) == str(other.version)
    assert first_when(error=9.0, best_ms=9.0, other_ms=5.0) == str(best.version)
    assert first_when(error=0.0, best_ms=28.0, other_ms=5.0) == str(best.version)
    for number, tags in before.items():
        for name, value in tags.items():
            client.set_model_version_tag("biopsies", number, name, value)


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no candidates": (lambda f: (f / "candidates.py").unlink(), "has no candidates.py"),
    "a typing error in the candidates": (
        lambda f: spoil(f, "candidates.py", "random_state=seed)\n", "random_state=sead)\n"),
        "candidates.py cannot be used (NameError: name 'sead' is not defined, line 14)",
    ),
    "no list of candidates": (
        lambda f: spoil(f, "candidates.py", "    return [", "    [", ),
        "candidates.py cannot be used (TypeError",
    ),
    "a feature that is not selected": (
        lambda f: spoil(f, "__init__.py", "biopsies.c.biopsy, *columns", "biopsies.c.biopsy"),
        "the row select lacks",
    ),
    "a number that is text": (
        lambda f: spoil(f, "__init__.py", "Column(name, Double", "Column(name, String"),
        "mean radius is no number in the row select",
    ),
    "a label that is no label": (
        lambda f: spoil(
            f, "__init__.py", "label=biopsies.c.malignant", "label=biopsies.c.malignant + 1"
        ),
        "The label of 212 rows of biopsies is neither 0 nor 1",
    ),
    "one source without its comma": (
        lambda f: spoil(f, "__init__.py", '"biopsies"),),', '"biopsies")),'),
        "sources must be a tuple of one Source or more",
    ),
    "no primary key": (
        lambda f: spoil(f, "__init__.py", "String, primary_key=True", "String"),
        "table biopsies has no primary key",
    ),
    "a bound that is text": (
        lambda f: spoil(f, "__init__.py", '"minimum": 0, "m', '"minimum": "0", "m'),
        "malignant of table biopsies has a minimum or maximum that is no number",
    ),
    "a table with a name of ours": (
        lambda f: spoil(f, "__init__.py", '"biopsies",\n    tables', '"loads",\n    tables'),
        "the name loads is taken",
    ),
    "an odd name for the registry": (
        lambda f: spoil(f, "__init__.py", 'model_name="biopsies"', 'model_name="a/b"'),
        "model_name 'a/b' holds more",
    ),
    "three words": (
        lambda f: spoil(f, "__init__.py", '"Malignant")', '"Malignant", "?")'),
        "words must be two that differ",
    ),
    "no probabilities": (
        lambda f: spoil(
            f, "candidates.py", "LogisticRegression(random_state=seed)", "LinearSVC()"
        ),
        "the pipeline of logistic has no predict_proba",
    ),
    "one value in the grid": (
        lambda f: spoil(f, "candidates.py", "[0.1, 1.0]", "0.1"),
        "model__C in the grid of logistic must be a list of values",
    ),
    "no problem": (
        lambda f: spoil(f, "__init__.py", "PROBLEM =", "ANOTHER ="),
        "declares no PROBLEM",
    ),
    "a function of their own": (
        lambda f: spoil(
            f,
            "candidates.py",
            'pipeline(MEASURES, "passthrough", categories, trees),',
            "pipeline(MEASURES, FunctionTransformer(min_max), categories, trees),",
        ),
        "min_max, which a server could not load",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_a_problem_is_told_in_one_sentence(
    case: str, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(elsewhere / "my problem", tmp_path / "my problem"))
    with (folder / "candidates.py").open("a") as file:
        file.write(
            "\n\nfrom sklearn.preprocessing import FunctionTransformer\n"
            "from sklearn.svm import LinearSVC\n\n\n"
            "def min_max(x):\n    return x\n"
        )
    mistake, said = MISTAKES[case]
    mistake(folder)
    assert run_main(train.main, "--problem", folder, "--database", elsewhere / "hospital.db") == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["my problem"]  # no store was made


def test_a_grid_that_does_not_fit_its_pipeline_is_told_in_one_sentence(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(elsewhere / "my problem", tmp_path / "my problem"))
    spoil(folder, "candidates.py", "model__C", "modle__C")
    flags = ("--problem", folder, "--database", elsewhere / "hospital.db", "--jobs", 1)
    assert run_main(train.main, *flags) == 2
    error = capfd.readouterr().err
    assert "error: logistic cannot be fitted (ValueError: Invalid parameter 'modle'" in error
    assert "Traceback" not in error


def test_ingest_without_a_sample_asks_for_the_source(elsewhere: Path, tmp_path: Path) -> None:
    done = run_script("ingest.py", "--problem", elsewhere / "my problem", cwd=tmp_path)
    assert done.returncode == 2
    assert "biopsies has no sample: give a folder with --source" in done.stderr
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def example(folder: Path, **changes: str) -> Path:
    """The guide's own example of a problem, with some of its text changed, and a table for it."""
    code = "\0".join(re.findall(r"```python\n(.*?)```", GUIDE, re.S))
    for old, new in changes.items():
        assert old in code
        code = re.sub(rf"\b{old}\b", new, code)
    declared, modelled = code.split("\0")
    (folder / "withdrawals").mkdir()
    (folder / "withdrawals" / "__init__.py").write_text(declared)
    (folder / "withdrawals" / "candidates.py").write_text(modelled)
    rng = np.random.default_rng(0)
    channel = rng.choice(["web", "branch", ""], 400)
    outcome = np.where(rng.random(400) < np.where(channel == "web", 0.6, 0.2), "1", "0")
    table = {
        changes.get("application_id", "application_id"): [f"A-{n}" for n in range(400)],
        "amount": rng.integers(1_000, 40_000, 400),
        "channel": channel,
        "withdrawn": np.where(np.arange(400) < 40, "", outcome),  # the first ones are still open
    }
    pd.DataFrame(table).to_csv(folder / "applications.csv", index=False)
    return folder


WHERE = ("--problem", "withdrawals", "--database", "applications.db")
QUICK = ("--folds", 2, "--repeats", 1, "--jobs", 1)


def train_example(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    assert run_main(ingest.main, *WHERE, "--source", "applications.csv") == 0
    return run_main(train.main, *WHERE, *QUICK)


def test_the_example_in_readme_works_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train_example(example(tmp_path), monkeypatch) == 0
    client = mlflow.MlflowClient()
    (version,) = client.search_model_versions("name = 'withdrawals'")
    training = client.get_run(version.tags["training_run"]).data.params
    assert int(training["rows_train"]) + int(training["rows_held_out"]) == 360
    assert client.get_run(str(version.run_id)).data.metrics["cv_roc_auc"] > 0.6
    assert query(tmp_path / "applications.db", "SELECT count(*) FROM applications") == [(400,)]
    assert query(tmp_path / "applications.db", "SELECT count(*) FROM results_withdrawn") == [(0,)]


def test_a_key_called_id_and_no_numbers_at_all_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example(tmp_path, application_id="id")
    folder = tmp_path / "withdrawals"
    for old in (", a.amount", "a.amount, ", 'Feature("amount", "number"), '):
        spoil(folder, "__init__.py", old, "")
    spoil(folder, "__init__.py", '"text")),', '"text"),),')
    spoil(folder, "candidates.py", '["amount"]', "[]")
    assert train_example(tmp_path, monkeypatch) == 0
    # so few rows prove nothing: it may serve although it is not surely better than the base rate
    assert run_main(promote.main, *WHERE) == 3
    assert run_main(promote.main, *WHERE, "--margin", "-1") == 0
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with serving("models:/withdrawals@champion", store, tmp_path / "server.log") as url:
        assert run_main(score_client.main, *WHERE, "--endpoint", url) == 0
    scored = "SELECT count(*), count(DISTINCT applications_id) FROM results_withdrawn"
    assert query(tmp_path / "applications.db", scored) == [(400, 400)]


def test_rows_without_a_group_or_with_an_unknown_label_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, old, new, said in (
        ("grouped", 'words=("', 'group="channel", words=("', "rows have no channel, which groups"),
        (
            "unlabelled",
            "labelled=",
            "# labelled=",
            "The label of 40 rows of withdrawals is neither",
        ),
    ):
        (tmp_path / name).mkdir()
        example(tmp_path / name)
        spoil(tmp_path / name / "withdrawals", "__init__.py", old, new)
        assert train_example(tmp_path / name, monkeypatch) == 2
        assert said in capfd.readouterr().err

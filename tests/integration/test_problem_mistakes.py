"""train.py and ingest.py describe mistakes in a user's problem and create no files."""

from collections.abc import Callable
from pathlib import Path

import pytest

import ingest
import train
from tests.support.databases import copy_sqlite
from tests.support.empty_store import copy_empty_store
from tests.support.own_problem import biopsies, copy_problem, replace_text
from tests.support.scripts import run_main

OWN_FUNCTION = """

from sklearn.preprocessing import FunctionTransformer


def min_max(x):
    return x
"""


def use_own_function(folder: Path) -> None:
    """Let the second candidate call a function that only its own file defines."""
    replace_text(
        folder / "candidates.py",
        'pipeline(MEASURES, "passthrough", categories, trees),',
        "pipeline(MEASURES, FunctionTransformer(min_max), categories, trees),",
    )
    with (folder / "candidates.py").open("a") as file:
        file.write(OWN_FUNCTION)


def label_with_one_and_two(folder: Path) -> None:
    label = "label=biopsies.c.malignant"
    replace_text(folder / "__init__.py", label, f"{label} + 1")


# tests/unit/test_problem_mistakes.py covers mistakes that need no data
MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "in the declaration": (
        lambda f: replace_text(f / "__init__.py", '"Malignant")', '"Malignant", "?")'),
        "outcome_labels must be two different texts",
    ),
    "no candidates": (lambda f: (f / "candidates.py").unlink(), "has no candidates.py"),
    "a label that is not 0 or 1": (
        label_with_one_and_two,
        "The label of 212 rows of biopsies is neither 0 nor 1",
    ),
    "a function defined in candidates.py": (
        use_own_function,
        "min_max, which no server would load",
    ),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all biopsies loaded."""
    folder = tmp_path_factory.mktemp("biopsies")
    biopsies().to_csv(folder / "biopsies.csv", index=False)
    flags = ("--problem", copy_problem(folder), "--source", folder / "biopsies.csv")
    assert run_main(ingest.main, *flags, "--database", folder / "hospital.db") == 0
    return folder / "hospital.db"


@pytest.fixture
def hospital(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the database, outside the current folder."""
    return copy_sqlite(template, tmp_path_factory.mktemp("hospital") / "hospital.db")


@pytest.mark.parametrize("case", MISTAKES)
def test_train_describes_a_mistake_in_one_sentence_and_creates_no_store(
    case: str, hospital: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = copy_problem(tmp_path)
    edit, expected = MISTAKES[case]
    edit(folder)
    assert run_main(train.main, "--problem", folder, "--database", hospital) == 2
    error = capfd.readouterr().err
    assert expected in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["my problem"]


def test_train_describes_an_unknown_parameter_in_a_grid_in_one_sentence(
    hospital: Path,
    shared_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    store = copy_empty_store(shared_folder, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    folder = copy_problem(tmp_path)
    replace_text(folder / "candidates.py", "model__C", "modle__C")
    flags = ("--problem", folder, "--database", hospital, "--folds", 2, "--repeats", 1, "--jobs", 1)
    assert run_main(train.main, *flags) == 2
    error = capfd.readouterr().err
    assert "error: Candidate logistic cannot be fitted (ValueError" in error
    assert "Invalid parameter 'modle'" in error
    assert "Traceback" not in error


def test_ingest_of_a_problem_without_a_sample_asks_for_the_source(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = copy_problem(tmp_path)
    assert run_main(ingest.main, "--problem", folder) == 2
    assert "biopsies has no sample: give a folder with --source" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["my problem"]

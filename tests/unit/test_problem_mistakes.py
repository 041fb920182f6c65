"""Each mistake in a user's problem raises an error that describes it in one sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest

import problems
from tests.support.own_problem import copy_problem, replace_text

Edit = Callable[[Path], object]


def replace(file: str, old: str, new: str) -> Edit:
    """A function that replaces text in one file of the problem."""
    return lambda folder: replace_text(folder / file, old, new)


DECLARATIONS: dict[str, tuple[Edit, str]] = {
    "a feature that is not selected": (
        replace("__init__.py", "biopsies.c.biopsy, *columns", "biopsies.c.biopsy"),
        "the row query does not return",
    ),
    "a number that is text": (
        replace("__init__.py", "Column(name, Double", "Column(name, String"),
        "feature mean radius is not a number in the row query",
    ),
    "one source without its comma": (
        replace("__init__.py", '"biopsies"),),', '"biopsies")),'),
        "sources must be a tuple of one or more Source",
    ),
    "no primary key": (
        replace("__init__.py", "String, primary_key=True", "String"),
        "table biopsies has no primary key",
    ),
    "a minimum that is text": (
        replace("__init__.py", '"minimum": 0, "m', '"minimum": "0", "m'),
        "malignant of table biopsies has a minimum or maximum that is not a number",
    ),
    "a reserved table name": (
        replace("__init__.py", '"biopsies",\n    tables', '"loads",\n    tables'),
        "the table name loads is reserved",
    ),
    "an invalid name for the registry": (
        replace("__init__.py", 'model_name="biopsies"', 'model_name="a/b"'),
        "model_name 'a/b' may contain only letters",
    ),
    "three outcome labels": (
        replace("__init__.py", '"Malignant")', '"Malignant", "?")'),
        "outcome_labels must be two different texts",
    ),
    "no PROBLEM": (replace("__init__.py", "PROBLEM =", "ANOTHER ="), "declares no PROBLEM"),
}
CANDIDATES: dict[str, tuple[Edit, str]] = {
    "no file": (lambda folder: (folder / "candidates.py").unlink(), "has no candidates.py"),
    "a misspelled name": (
        replace("candidates.py", "random_state=seed)\n", "random_state=sead)\n"),
        "candidates.py cannot be used (NameError: name 'sead' is not defined, line 14)",
    ),
    "a return value that is no list": (
        replace("candidates.py", "    return [", "    ["),
        "candidates.py cannot be used (TypeError",
    ),
    "a model without probabilities": (
        replace("candidates.py", "LogisticRegression(random_state=seed)", "LinearSVC()"),
        "the pipeline of logistic has no predict_proba",
    ),
    "a single value in the grid": (
        replace("candidates.py", "[0.1, 1.0]", "0.1"),
        "model__C in the grid of logistic must be a list of values",
    ),
}


def assert_one_sentence(error: problems.ProblemError, expected: str) -> None:
    assert expected in str(error)
    assert "\n" not in str(error)
    assert str(error).endswith(".")


@pytest.mark.parametrize("case", DECLARATIONS)
def test_a_mistake_in_a_declaration_is_described_in_one_sentence(case: str, tmp_path: Path) -> None:
    edit, expected = DECLARATIONS[case]
    folder = copy_problem(tmp_path)
    edit(folder)
    with pytest.raises(problems.ProblemError) as raised:
        problems.load(str(folder))
    assert_one_sentence(raised.value, expected)


@pytest.mark.parametrize("case", CANDIDATES)
def test_a_mistake_in_the_candidates_is_described_in_one_sentence(
    case: str, tmp_path: Path
) -> None:
    edit, expected = CANDIDATES[case]
    folder = copy_problem(tmp_path)
    with (folder / "candidates.py").open("a") as file:
        file.write("\n\nfrom sklearn.svm import LinearSVC\n")
    edit(folder)
    problem = problems.load(str(folder))
    with pytest.raises(problems.ProblemError) as raised:
        problem.candidates({}, seed=0)
    assert_one_sentence(raised.value, expected)


def test_the_error_about_an_unknown_problem_lists_the_known_ones() -> None:
    with pytest.raises(problems.ProblemError, match="no problem 'nowhere': give one of loan_risk,"):
        problems.load("nowhere")

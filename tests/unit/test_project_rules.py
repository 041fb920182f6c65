"""The project's own rules: what may import what, and that its files agree with each other."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cli import yes_or_no
from tests.support.project import PROJECT

# from the top down: a folder may import only those below it
FOLDERS = (
    "form",
    "spark",
    "training",
    "serving",
    "scoring",
    "metrics",
    "registry",
    "problems",
    "db",
    "cli",
)
FORBIDDEN = {
    ("form", "spark"),
    ("form", "training"),
    ("spark", "training"),
    ("spark", "serving"),
    ("training", "serving"),
    ("training", "scoring"),
    ("serving", "scoring"),
    ("registry", "metrics"),
}
SCRIPTS = sorted(path.stem for path in PROJECT.glob("*.py"))
TEST_FOLDERS = ("tests.unit", "tests.integration", "tests.e2e")
ENTRY_POINTS = yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]
ENTRY_SCRIPTS = {
    "ingest": "ingest",
    "train": "train",
    "promote": "promote",
    "score": "score_client",
    "score_spark": "score_spark",
    "serve": "serve",
}
ONE_STEP_ALONE = ("challenger", "to", "rollback", "history", "why", "results")  # parameters


def imported_modules(path: Path) -> Iterator[str]:
    """The modules that a file imports, by their full names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """The top-level folders and scripts of this project that a file imports."""
    top_level = {name.partition(".")[0] for name in imported_modules(path)}
    return top_level & {*FOLDERS, *SCRIPTS, "data", "benchmarks", "tests"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_run_downwards_and_nobody_imports_a_script(folder: str) -> None:
    files = list((PROJECT / folder).rglob("*.py"))
    assert files
    for path in files:
        for imported in own_imports(path):
            where = f"{path.relative_to(PROJECT)} imports {imported}"
            assert imported in FOLDERS, where
            assert FOLDERS.index(imported) >= FOLDERS.index(folder), where
            assert (folder, imported) not in FORBIDDEN, where


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_imports_no_script_and_runs_its_main(script: str) -> None:
    path = PROJECT / f"{script}.py"
    assert own_imports(path) <= set(FOLDERS)
    assert path.read_text().endswith('\n\nif __name__ == "__main__":\n    cli.run(main)\n')


def test_the_data_folder_imports_nothing_of_the_project() -> None:
    for path in (PROJECT / "data").rglob("*.py"):
        assert not own_imports(path), path


def test_nobody_imports_a_test() -> None:
    files = list((PROJECT / "tests").rglob("*.py"))
    assert PROJECT / "tests" / "support" / "project.py" in files
    for path in files:
        tests = [name for name in imported_modules(path) if name.startswith(TEST_FOLDERS)]
        assert not tests, path


def test_a_docstring_is_used_only_as_help() -> None:
    """Docstrings are gone with PYTHONOPTIMIZE=2: nothing but a help text may depend on them."""
    uses = [
        line.strip()
        for path in sorted(PROJECT.glob("*.py")) + sorted(PROJECT.glob("[!.]*/**/*.py"))
        if not path.is_relative_to(PROJECT / "tests")
        for line in path.read_text().splitlines()
        if "__doc__" in line
    ]
    assert uses
    assert [u for u in uses if not re.search(r"parser\(__doc__|description=__doc__", u)] == []


def test_no_problem_is_named_outside_its_own_folder() -> None:
    names = {path.parent.name for path in (PROJECT / "problems").glob("*/__init__.py")}
    words = re.compile("|".join(name.replace("_", "[-_]") for name in names))
    paths = [*PROJECT.glob("*.py"), PROJECT / "MLproject", PROJECT / "Makefile"]
    for folder in (*FOLDERS, "benchmarks"):
        paths += (PROJECT / folder).rglob("*.py")
    for path in paths:
        own_folder = path.relative_to(PROJECT).parts[:2] in {("problems", name) for name in names}
        assert own_folder or not words.search(path.read_text()), path


@pytest.mark.parametrize("entry", ENTRY_SCRIPTS)
def test_flags_and_mlproject_parameters_agree(entry: str) -> None:
    parser = importlib.import_module(ENTRY_SCRIPTS[entry]).parser()
    flags = {
        action.dest: yes_or_no(action.default)
        if isinstance(action.default, bool)
        else action.default
        for action in parser._actions
        if action.dest != "help"
    }
    parameters = ENTRY_POINTS[entry]["parameters"]
    assert {name: spec["default"] for name, spec in parameters.items()} == flags
    for name in flags:
        assert f"--{name.replace('_', '-')} {{{name}}}" in ENTRY_POINTS[entry]["command"]


def test_the_main_entry_point_is_ingest_train_promote_and_a_refusal_is_no_failure() -> None:
    steps = ("ingest", "train", "promote")
    expected: dict[str, object] = {}
    for name in steps:
        expected |= ENTRY_POINTS[name]["parameters"]
    main = ENTRY_POINTS["main"]
    assert main["parameters"] == {k: v for k, v in expected.items() if k not in ONE_STEP_ALONE}
    of_one_step = re.compile(rf" --({'|'.join(ONE_STEP_ALONE)}) {{\w+}}")
    ingest, train, promote = (
        of_one_step.sub("", ENTRY_POINTS[name]["command"].strip()) for name in steps
    )
    assert main["command"] == f"{ingest} && {train} && ({promote} || test $? -eq 3)"


def test_the_conda_environment_has_the_pins() -> None:
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    conda = yaml.safe_load((PROJECT / "conda.yaml").read_text())
    assert conda["dependencies"][-1]["pip"] == pins
    assert all(re.match(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    python = next(d for d in conda["dependencies"] if str(d).startswith("python="))
    assert python == f"python={sys.version_info.major}.{sys.version_info.minor}"
    assert yaml.safe_load((PROJECT / "MLproject").read_text())["conda_env"] == "conda.yaml"


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-spark"])
def test_every_direct_requirement_is_pinned_and_has_its_reason(name: str) -> None:
    pins = (PROJECT / f"{name}.txt").read_text().lower()
    for line in (PROJECT / f"{name}.in").read_text().splitlines():
        if not line or line.startswith(("#", "-")):
            continue
        requirement, _, reason = line.partition("#")
        assert reason.strip(), line
        package = re.split(r"[\[=<>]", requirement.strip())[0].lower()
        assert re.search(rf"^{re.escape(package)}==", pins, re.M), package

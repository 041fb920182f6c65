"""The project's own rules: which package may import which, and that its files agree."""

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import cli
from tests.support.project import PROJECT

# which packages each one may import besides itself; docs/architecture.md has the same table
MAY_IMPORT = {
    "form": {"serving", "scoring", "registry", "problems", "db", "cli"},
    "spark": {"scoring", "registry", "problems", "db", "cli"},
    "training": {"metrics", "scorecard", "registry", "problems", "db", "cli"},
    "serving": {"metrics", "scorecard", "registry", "problems", "db", "cli"},
    "scoring": {"metrics", "registry", "problems", "db", "cli"},
    "metrics": {"cli"},
    "scorecard": set(),
    "registry": {"problems", "db", "cli"},
    "problems": {"db", "cli"},
    "db": {"cli"},
    "cli": set(),
}
PACKAGES = list(MAY_IMPORT)
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
# parameters of ingest, train and promote that the entry point `main` does not have
NOT_IN_MAIN = ("challenger", "to", "rollback", "why", "results")


def imported_modules(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def project_imports(path: Path) -> set[str]:
    """The packages and scripts of this project that a file imports."""
    top_level = {name.partition(".")[0] for name in imported_modules(path)}
    return top_level & {*PACKAGES, *SCRIPTS, "data", "benchmarks", "tests"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_its_layer_may(package: str) -> None:
    files = list((PROJECT / package).rglob("*.py"))
    assert files
    for path in files:
        forbidden = project_imports(path) - MAY_IMPORT[package] - {package}
        assert not forbidden, f"{path.relative_to(PROJECT)} imports {', '.join(forbidden)}"


def test_layers_point_down() -> None:
    for position, package in enumerate(PACKAGES):
        assert MAY_IMPORT[package] <= set(PACKAGES[position + 1 :]), package


def test_every_package_has_a_layer() -> None:
    packages = {path.parent.name for path in PROJECT.glob("*/__init__.py")}
    assert packages == {*PACKAGES, "benchmarks", "tests"}


def test_the_architecture_page_has_the_same_layers() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text()
    section = page.partition("## Layers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| .* \|(.*)\|$", section, re.M)
    layers = {package: set(re.findall(r"`(\w+)`", imports)) for package, imports in rows}
    assert layers == MAY_IMPORT
    assert list(layers) == PACKAGES


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_imports_no_other_script_and_runs_its_main(script: str) -> None:
    path = PROJECT / f"{script}.py"
    assert project_imports(path) <= set(PACKAGES)
    assert path.read_text().endswith('\n\nif __name__ == "__main__":\n    cli.run(main)\n')


def test_the_generators_import_nothing_from_the_project() -> None:
    for path in (PROJECT / "data").rglob("*.py"):
        assert not project_imports(path), path


def test_test_files_are_never_imported() -> None:
    files = list((PROJECT / "tests").rglob("*.py"))
    assert PROJECT / "tests" / "support" / "project.py" in files
    for path in files:
        tests = [name for name in imported_modules(path) if name.startswith(TEST_FOLDERS)]
        assert not tests, path


def test_docstrings_are_used_only_for_help_texts() -> None:
    """With PYTHONOPTIMIZE=2 there are no docstrings, so nothing else may depend on them."""
    uses = [
        line.strip()
        for path in sorted(PROJECT.glob("*.py")) + sorted(PROJECT.glob("[!.]*/**/*.py"))
        if not path.is_relative_to(PROJECT / "tests")
        for line in path.read_text().splitlines()
        if "__doc__" in line
    ]
    assert uses
    assert [u for u in uses if not re.search(r"parser\(__doc__|description=__doc__", u)] == []


def test_problems_are_named_only_in_their_own_folders() -> None:
    names = {path.parent.name for path in (PROJECT / "problems").glob("*/__init__.py")}
    words = re.compile("|".join(name.replace("_", "[-_]") for name in names))
    paths = [*PROJECT.glob("*.py"), PROJECT / "MLproject", PROJECT / "Makefile"]
    for folder in (*PACKAGES, "benchmarks"):
        paths += (PROJECT / folder).rglob("*.py")
    for path in paths:
        own_folder = path.relative_to(PROJECT).parts[:2] in {("problems", name) for name in names}
        assert own_folder or not words.search(path.read_text()), path


@pytest.mark.parametrize("entry", ENTRY_SCRIPTS)
def test_parameters_in_mlproject_are_flags_with_the_same_defaults(entry: str) -> None:
    parser = importlib.import_module(ENTRY_SCRIPTS[entry]).parser()
    defaults = {action.dest: action.default for action in parser._actions}
    for name, parameter in ENTRY_POINTS[entry]["parameters"].items():
        default = defaults[name]
        expected = cli.yes_or_no(default) if isinstance(default, bool) else default
        assert parameter["default"] == expected, name
        assert f"--{name.replace('_', '-')} {{{name}}}" in ENTRY_POINTS[entry]["command"]


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_command_in_mlproject_uses_its_parameters_and_no_others(entry: str) -> None:
    used = set(re.findall(r"{(\w+)}", ENTRY_POINTS[entry]["command"]))
    assert used == set(ENTRY_POINTS[entry]["parameters"])


def test_the_main_entry_point_runs_ingest_train_and_promote() -> None:
    """It succeeds also if the challenger is refused."""
    steps = ("ingest", "train", "promote")
    expected: dict[str, object] = {}
    for name in steps:
        expected |= ENTRY_POINTS[name]["parameters"]
    main = ENTRY_POINTS["main"]
    assert main["parameters"] == {k: v for k, v in expected.items() if k not in NOT_IN_MAIN}
    other_flags = re.compile(rf" --({'|'.join(NOT_IN_MAIN)}) {{\w+}}")
    ingest, train, promote = (
        other_flags.sub("", ENTRY_POINTS[name]["command"].strip()) for name in steps
    )
    refused = cli.EXIT_REFUSED
    assert main["command"] == f"{ingest} && {train} && ({promote} || test $? -eq {refused})"


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["version"] == cli.VERSION
    releases = re.findall(r"^## \[([^]]+)\]", (PROJECT / "CHANGELOG.md").read_text(), re.M)
    assert releases[0] == cli.VERSION


@pytest.mark.parametrize("script", [*SCRIPTS, "form.__main__"])
def test_a_script_prints_its_version(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        importlib.import_module(script).parser().parse_args(["--version"])
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"Loan Offers {cli.VERSION}\n"


def test_conda_yaml_has_the_pins_of_requirements() -> None:
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    conda = yaml.safe_load((PROJECT / "conda.yaml").read_text())
    assert conda["dependencies"][-1]["pip"] == pins
    assert all(re.match(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    python = next(d for d in conda["dependencies"] if str(d).startswith("python="))
    assert python == f"python={sys.version_info.major}.{sys.version_info.minor}"
    assert yaml.safe_load((PROJECT / "MLproject").read_text())["conda_env"] == "conda.yaml"


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-spark"])
def test_every_direct_requirement_is_pinned_and_has_a_comment(name: str) -> None:
    pins = (PROJECT / f"{name}.txt").read_text().lower()
    for line in (PROJECT / f"{name}.in").read_text().splitlines():
        if not line or line.startswith(("#", "-")):
            continue
        requirement, _, comment = line.partition("#")
        assert comment.strip(), line
        package = re.split(r"[\[=<>]", requirement.strip())[0].lower()
        assert re.search(rf"^{re.escape(package)}==", pins, re.M), package

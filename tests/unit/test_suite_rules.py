"""Rules for the tests: where a test file lies, how long it is, and that no test sleeps."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.project import PROJECT

TESTS = PROJECT / "tests"
KINDS = ("unit", "integration", "e2e", "spark")
MAX_LINES = 250
FILES = sorted(path for path in TESTS.rglob("*.py") if "data" not in path.parts)
TEST_FILES = [path for path in FILES if path.name.startswith("test_")]
UNIT_TESTS = [path for path in TEST_FILES if path.parent == TESTS / "unit"]
# these modules start processes and servers
NOT_IN_UNIT_TESTS = (
    "multiprocessing",
    "playwright",
    "psycopg",
    "subprocess",
    "tests.support.form",
    "tests.support.model_server",
    "tests.support.scripted_endpoint",
    "tests.support.serve_app",
    "tests.support.servers",
    "tests.support.trained",
)
ALLOWED_SCRIPT_HELPERS = {"tests.support.scripts.run_main"}  # the others start processes
# these fixtures train, serve, or load a database
FIXTURES_NOT_IN_UNIT_TESTS = {
    "challenger",
    "champion",
    "database",
    "endpoint",
    "loans_trained",
    "postgres",
    "sample_database",
    "sample_databases",
    "small_database",
    "small_databases",
    "small_template",
    "store",
    "trained",
    "use_trained",
}


def relative_name(path: Path) -> str:
    return str(path.relative_to(TESTS))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, and the names that it imports from modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def has_docstring(path: Path) -> bool:
    return bool(ast.get_docstring(ast.parse(path.read_text())))


def calls_sleep(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return "time.sleep" in calls or "time.sleep" in imports(path)


def not_for_unit_tests(path: Path) -> set[str]:
    """The imports and fixtures of a unit test file that start a process or a server."""
    names = set(imports(path))
    script_helpers = {name for name in names if name.startswith("tests.support.scripts")}
    modules = {name for name in names if name.startswith(NOT_IN_UNIT_TESTS)}
    fixtures = FIXTURES_NOT_IN_UNIT_TESTS & set(fixture_names(path))
    return modules | fixtures | (script_helpers - ALLOWED_SCRIPT_HELPERS)


def fixture_names(path: Path) -> Iterator[str]:
    """The parameters of a file's tests and fixtures, except those of `parametrize`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef):
            continue
        decorators = " ".join(map(ast.unparse, node.decorator_list))
        if node.name.startswith("test_") or "pytest.fixture" in decorators:
            yield from (a.arg for a in node.args.args if f"'{a.arg}'" not in decorators)


def test_each_test_file_lies_in_one_of_the_four_folders() -> None:
    folders = [TESTS / kind for kind in KINDS]
    assert [relative_name(path) for path in TEST_FILES if path.parent not in folders] == []


def test_each_file_has_a_docstring() -> None:
    assert [relative_name(p) for p in FILES if p.stat().st_size and not has_docstring(p)] == []


def test_no_file_is_longer_than_the_limit() -> None:
    lines = {relative_name(path): len(path.read_text().splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_no_test_sleeps() -> None:
    assert [relative_name(path) for path in FILES if calls_sleep(path)] == []


def test_unit_tests_start_no_process_and_no_server() -> None:
    assert {relative_name(p): names for p in UNIT_TESTS if (names := not_for_unit_tests(p))} == {}

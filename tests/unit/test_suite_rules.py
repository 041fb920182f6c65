"""The rules of the tests themselves: where a test lies, how long its file is, and how it waits."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.project import PROJECT

TESTS = PROJECT / "tests"
KINDS = ("unit", "integration", "e2e", "spark")
MOST_LINES = 250
FILES = sorted(path for path in TESTS.rglob("*.py") if "data" not in path.parts)
TEST_FILES = [path for path in FILES if path.name.startswith("test_")]
UNIT_TESTS = [path for path in TEST_FILES if path.parent == TESTS / "unit"]
# what starts processes and servers
NOT_IN_UNIT = (
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
OF_SCRIPTS = {"tests.support.scripts.run_main"}  # all else of it is a process
# fixtures that train, serve, or load a database
FIXTURES_NOT_IN_UNIT = {
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


def name_of(path: Path) -> str:
    return str(path.relative_to(TESTS))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, and with `from` what it takes of them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def documented(path: Path) -> bool:
    return bool(ast.get_docstring(ast.parse(path.read_text())))


def sleeps(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return "time.sleep" in calls or "time.sleep" in imports(path)


def not_for_unit_tests(path: Path) -> set[str]:
    """What a file of unit tests imports or asks for that starts a process or a server."""
    names = set(imports(path))
    of_scripts = {name for name in names if name.startswith("tests.support.scripts")}
    modules = {name for name in names if name.startswith(NOT_IN_UNIT)}
    fixtures = FIXTURES_NOT_IN_UNIT & set(fixtures_of(path))
    return modules | fixtures | (of_scripts - OF_SCRIPTS)


def fixtures_of(path: Path) -> Iterator[str]:
    """The parameters of a file's tests and fixtures, without those of `parametrize`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef):
            continue
        decorators = " ".join(map(ast.unparse, node.decorator_list))
        if node.name.startswith("test_") or "pytest.fixture" in decorators:
            yield from (a.arg for a in node.args.args if f"'{a.arg}'" not in decorators)


def test_each_file_of_tests_lies_in_the_folder_of_its_kind() -> None:
    folders = [TESTS / kind for kind in KINDS]
    assert [name_of(path) for path in TEST_FILES if path.parent not in folders] == []


def test_each_file_says_what_it_is_about() -> None:
    assert [name_of(p) for p in FILES if p.stat().st_size and not documented(p)] == []


def test_each_file_is_short_enough_to_read() -> None:
    lines = {name_of(path): len(path.read_text().splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_nothing_waits_for_a_fixed_time() -> None:
    assert [name_of(path) for path in FILES if sleeps(path)] == []


def test_unit_tests_start_no_process_and_no_server() -> None:
    assert {name_of(p): found for p in UNIT_TESTS if (found := not_for_unit_tests(p))} == {}

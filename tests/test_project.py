"""The project's own rules: what may import what, and that files and documents agree."""

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from tests.helpers import PROJECT

# from the top down: a room may import only those below it
ROOMS = ("modeling", "web", "spark", "serving", "server", "registry", "problems", "db", "console")
FORBIDDEN = {
    ("modeling", "web"),
    ("modeling", "serving"),
    ("modeling", "server"),
    ("modeling", "spark"),
    ("web", "spark"),
    ("web", "server"),
    ("spark", "server"),
    ("serving", "server"),
}
SCRIPTS = sorted(path.stem for path in PROJECT.glob("*.py"))
README = (PROJECT / "README.md").read_text()
ENTRY_POINTS = yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]
ENTRY_SCRIPTS = {
    "ingest": "ingest",
    "train": "train",
    "promote": "promote",
    "score": "score_client",
    "score_spark": "score_spark",
    "serve": "serve",
}


def own_imports(path: Path) -> Iterator[str]:
    """The top-level packages or scripts of ours that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top in ROOMS or top in SCRIPTS or top == "data":
                yield top


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_downwards_and_nobody_imports_a_script(room: str) -> None:
    files = list((PROJECT / room).rglob("*.py"))
    assert files
    for path in files:
        for imported in own_imports(path):
            where = f"{path.relative_to(PROJECT)} imports {imported}"
            assert imported in ROOMS, where
            assert ROOMS.index(imported) >= ROOMS.index(room), where
            assert (room, imported) not in FORBIDDEN, where


def test_scripts_import_no_script() -> None:
    for script in SCRIPTS:
        assert not set(own_imports(PROJECT / f"{script}.py")) & {*SCRIPTS, "data"}


def test_the_data_folder_knows_nothing_of_ours() -> None:
    for path in (PROJECT / "data").rglob("*.py"):
        assert not list(own_imports(path))


def test_the_scoring_client_loads_no_scikit_learn() -> None:
    code = "import score_client, sys; print([m for m in sys.modules if m.startswith('sklearn')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_problem_is_named_outside_its_own_folder() -> None:
    names = {path.parent.name for path in (PROJECT / "problems").glob("*/__init__.py")}
    words = re.compile("|".join(n.replace("_", "[-_]") for n in names))
    for path in PROJECT.rglob("*.py"):
        top = path.relative_to(PROJECT).parts
        if top[0] in (".venv", "tests", "data") or top[:2] in {("problems", n) for n in names}:
            continue
        assert not words.search(path.read_text()), path
    for file in ("MLproject", "Makefile"):
        assert not words.search((PROJECT / file).read_text())


@pytest.mark.parametrize("entry", ENTRY_SCRIPTS)
def test_flags_and_mlproject_parameters_agree(entry: str) -> None:
    parser = importlib.import_module(ENTRY_SCRIPTS[entry]).parser()
    flags = {action.dest: action.default for action in parser._actions if action.dest != "help"}
    declared = ENTRY_POINTS[entry]["parameters"]
    assert {name: spec["default"] for name, spec in declared.items()} == flags
    for name in flags:
        assert f"--{name.replace('_', '-')} {{{name}}}" in ENTRY_POINTS[entry]["command"]


BY_HAND = {"challenger", "to", "rollback", "history", "why", "results"}  # of one step alone


def test_the_main_entry_point_is_ingest_train_promote_and_a_refusal_is_no_failure() -> None:
    parameters = ENTRY_POINTS["main"]["parameters"]
    expected: dict[str, object] = {}
    for name in ("ingest", "train", "promote"):
        expected |= ENTRY_POINTS[name]["parameters"]
    assert parameters == {k: v for k, v in expected.items() if k not in BY_HAND}
    by_hand = re.compile(rf" --({'|'.join(BY_HAND)}) {{\w+}}")
    ingest, train, promote = (
        by_hand.sub("", ENTRY_POINTS[name]["command"].strip())
        for name in ("ingest", "train", "promote")
    )
    command = f"{ingest} && {train} && ({promote} || test $? -eq 3)"
    assert ENTRY_POINTS["main"]["command"] == command


def test_the_conda_environment_has_the_pins() -> None:
    pins = [
        line
        for line in (PROJECT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    conda = yaml.safe_load((PROJECT / "conda.yaml").read_text())
    assert conda["dependencies"][-1]["pip"] == pins
    assert all(re.match(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    python = next(d for d in conda["dependencies"] if str(d).startswith("python="))
    assert python == f"python={sys.version_info.major}.{sys.version_info.minor}"
    assert yaml.safe_load((PROJECT / "MLproject").read_text())["conda_env"] == "conda.yaml"


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-spark"])
def test_every_direct_requirement_is_pinned_and_has_its_reason(name: str) -> None:
    pinned = (PROJECT / f"{name}.txt").read_text().lower()
    for line in (PROJECT / f"{name}.in").read_text().splitlines():
        if not line or line.startswith(("#", "-")):
            continue
        package, _, reason = line.partition("#")
        assert reason.strip(), line
        wanted = re.split(r"[\[=<>]", package.strip())[0].lower()
        assert re.search(rf"^{re.escape(wanted)}==", pinned, re.M), wanted


def readme_commands() -> list[str]:
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", README, re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ").strip() for line in lines]


def test_make_targets_in_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M))
    assert {"run", "test"} <= named <= targets


def test_scripts_and_flags_in_readme_exist() -> None:
    found = [c for c in readme_commands() if c.startswith("python ")]
    assert found
    for command in found:
        words = command.split("#")[0].split()
        program = words[1:3] if words[1] == "-m" else words[1:2]
        text = subprocess.run(
            [sys.executable, *program, "--help"],
            cwd=PROJECT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for word in words[1 + len(program) :]:
            assert not word.startswith("--") or f"{word} " in text.replace("\n", " "), command


def test_mlflow_commands_in_readme_exist() -> None:
    found = [c.split("#")[0].split() for c in readme_commands() if c.startswith("mlflow ")]
    assert {words[1] for words in found} >= {"run", "ui", "models"}
    for words in found:
        if words[1] == "run" and "-e" in words:
            entry = words[words.index("-e") + 1]
            names = [w.split("=")[0] for w in words if "=" in w and not w.startswith("-")]
            assert set(names) <= set(ENTRY_POINTS[entry]["parameters"])


def test_files_named_in_readme_exist() -> None:
    for name in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (PROJECT / name).exists(), name
    tree = re.search(r"```text\n(.*?)```", README, re.S)
    assert tree
    listed = {line.split()[0].strip("/") for line in tree[1].splitlines() if line[:1].strip()}
    for name in listed:
        assert (PROJECT / name).exists(), name
    for path in [*PROJECT.glob("*.py"), *(PROJECT / room for room in ROOMS)]:
        assert path.name in listed, path.name


def test_readme_is_short() -> None:
    assert README.count("\n") < 200


def test_the_answer_in_readme_is_the_one_that_the_sample_s_champion_gives(champion: str) -> None:
    command = re.search(r"-d \\\n  '(.*)'\n(\{.*\})\n", README)
    assert command
    answer = requests.post(
        f"{champion}/invocations",
        data=command[1],
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    (found,), (shown,) = answer.json()["predictions"], json.loads(command[2])["predictions"]
    assert found == pytest.approx(shown, rel=1e-6)

"""The pages agree with the project: commands, flags, make targets, files and links exist."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.support.project import PROJECT

README = (PROJECT / "README.md").read_text()
PAGES = sorted(
    path
    for path in PROJECT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(PROJECT).parts)
)
ENTRY_POINTS = yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]


def commands(program: str) -> list[str]:
    """The commands in README that run this program."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", README, re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    stripped = [line.removeprefix("$ ").partition("#")[0].strip() for line in lines]
    return [line for line in stripped if line.startswith(f"{program} ")]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_modules_that_the_pages_name_exist() -> None:
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # which names modules of earlier releases
            continue
        for name in re.findall(r"`(\w+/[\w/]+\.py)`", page.read_text()):
            path = name.replace("NAME", "loan_risk")
            assert (PROJECT / path).is_file() or (page.parent / path).is_file(), (page, name)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (PROJECT / page).read_text(), re.M))
    assert named
    assert named <= targets


def test_there_are_commands_for_each_program() -> None:
    assert len(commands("python")) > 5
    assert {shlex.split(line)[1] for line in commands("mlflow")} >= {"run", "ui", "models"}
    assert {"make run", "make test"} <= set(map(str.strip, commands("make")))


@pytest.mark.parametrize("command", commands("python"))
def test_a_script_and_its_flags_exist(command: str) -> None:
    program, *flags = shlex.split(command)[1:]
    assert (PROJECT / program).is_file()
    parser = importlib.import_module(program.removesuffix(".py")).parser()
    parser.parse_args(flags)  # exits if a flag does not exist or has an invalid value
    described = parser.format_help()
    assert all(f"{flag} " in described for flag in flags if flag.startswith("--"))


def test_entry_points_of_mlflow_run_and_their_parameters_exist() -> None:
    named = [shlex.split(line) for line in commands("mlflow run") if " -e " in line]
    assert named
    for words in named:
        entry = words[words.index("-e") + 1]
        parameters = {w.split("=")[0] for w in words if "=" in w and not w.startswith("-")}
        assert parameters <= set(ENTRY_POINTS[entry]["parameters"]), words


def test_the_index_lists_every_script_package_and_page() -> None:
    index = (PROJECT / "docs" / "index.md").read_text()
    tree = re.search(r"```text\n(.*?)```", index, re.S)
    assert tree
    listed = {line.split()[0].strip("/") for line in tree[1].splitlines()}
    for name in listed:
        assert (PROJECT / name).exists(), name
    scripts = {path.name for path in PROJECT.glob("*.py")}
    packages = {path.parent.name for path in PROJECT.glob("*/__init__.py")}
    assert scripts | packages <= listed
    pages = {path.name for path in (PROJECT / "docs").glob("*.md")} - {"index.md"}
    assert pages <= set(re.findall(r"\]\(([\w-]+\.md)\)", index))

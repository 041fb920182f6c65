"""README agrees with the project: its commands, flags, make targets, files and links exist."""

import importlib
import re
import shlex

import pytest
import yaml

from tests.support.project import PROJECT

README = (PROJECT / "README.md").read_text()
ENTRY_POINTS = yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]


def commands(program: str) -> list[str]:
    """The commands in README that run this program."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", README, re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    stripped = [line.removeprefix("$ ").partition("#")[0].strip() for line in lines]
    return [line for line in stripped if line.startswith(f"{program} ")]


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M))
    assert {"run", "test"} <= named <= targets


def test_there_are_commands_for_each_program() -> None:
    assert len(commands("python")) > 5
    assert {shlex.split(line)[1] for line in commands("mlflow")} >= {"run", "ui", "models"}


@pytest.mark.parametrize("command", commands("python"))
def test_a_script_and_its_flags_exist(command: str) -> None:
    program, *flags = shlex.split(command)[1:]
    if program == "-m":
        module = f"{flags.pop(0)}.__main__"
    else:
        assert (PROJECT / program).is_file()
        module = program.removesuffix(".py")
    parser = importlib.import_module(module).parser()
    parser.parse_args(flags)  # exits if there is no such flag, or its value cannot be
    described = parser.format_help()
    assert all(f"{flag} " in described for flag in flags if flag.startswith("--"))


def test_entry_points_of_mlflow_run_and_their_parameters_exist() -> None:
    named = [shlex.split(line) for line in commands("mlflow run") if " -e " in line]
    assert named
    for words in named:
        entry = words[words.index("-e") + 1]
        parameters = {w.split("=")[0] for w in words if "=" in w and not w.startswith("-")}
        assert parameters <= set(ENTRY_POINTS[entry]["parameters"]), words


def test_linked_files_exist() -> None:
    for name in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (PROJECT / name).exists(), name


def test_the_tree_lists_every_script_and_folder() -> None:
    tree = re.search(r"```text\n(.*?)```", README, re.S)
    assert tree
    listed = {line.split()[0].strip("/") for line in tree[1].splitlines() if line[:1].strip()}
    for name in listed:
        assert (PROJECT / name).exists(), name
    scripts = {path.name for path in PROJECT.glob("*.py")}
    packages = {path.parent.name for path in PROJECT.glob("*/__init__.py")}
    assert scripts | packages <= listed

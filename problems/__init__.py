"""What is predicted: one folder a problem, here or anywhere on disk; `load` finds it."""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from problems.spec import Candidate, Feature, Problem, ProblemError, translate_problem_errors

__all__ = ["Candidate", "Feature", "Problem", "ProblemError", "load", "names"]

HOME = Path(__file__).parent


def names() -> list[str]:
    """The problems that come with the project."""
    return sorted(p.parent.name for p in HOME.glob("*/__init__.py"))


def load(name: str = "") -> Problem:
    """The problem with this name, or in the folder at this path; the default one for "".

    Raises:
        ProblemError: there is no such problem, or its folder declares none.
    """
    if not name:
        return next(p for p in map(load, names()) if p.is_default)
    if name in names():
        module = importlib.import_module(f"problems.{name}")
    elif (Path(name) / "__init__.py").is_file():
        module = _from_folder(Path(name).resolve())
    else:
        raise ProblemError(
            f"There is no problem {name!r}: give one of {', '.join(names())}, "
            "or the path of a folder with an __init__.py that declares PROBLEM."
        )
    problem = getattr(module, "PROBLEM", None)
    if not isinstance(problem, Problem):
        raise ProblemError(f"{module.__file__} declares no PROBLEM: see problems/spec.py.")
    return problem


def _from_folder(folder: Path) -> ModuleType:
    """Import a folder as a package under a name of its own, so that no two can collide."""
    package = f"problem_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    if package in sys.modules:
        return sys.modules[package]
    spec = importlib.util.spec_from_file_location(
        package, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ProblemError(f"{folder} cannot be imported as a Python package.")
    module = sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        with translate_problem_errors(folder / "__init__.py", "imported"):
            spec.loader.exec_module(module)
    except ProblemError:
        del sys.modules[package]
        raise
    return module

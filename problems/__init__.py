"""Prediction problems: each is a folder, here or anywhere on disk, that `load` imports."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from problems.spec import Candidate, Feature, Problem, ProblemError, translate_problem_errors

__all__ = ["Candidate", "Feature", "Problem", "ProblemError", "load", "names"]

HOME = Path(__file__).parent


def names() -> list[str]:
    """The names of the problems that come with the project."""
    return sorted(p.parent.name for p in HOME.glob("*/__init__.py"))


def load(name: str = "") -> Problem:
    """Load a problem by its name or by the path of its folder; "" loads the default one.

    Raises:
        ProblemError: there is no such problem, or its folder does not declare one.
    """
    if not name:
        return next(p for p in map(load, names()) if p.is_default)
    if name in names():
        module = importlib.import_module(f"problems.{name}")
    elif (Path(name) / "__init__.py").is_file():
        module = _from_folder(Path(name).resolve())
    else:
        raise ProblemError(
            f"There is no problem {name!r}: give one of {', '.join(names())}, or the path of a "
            "folder whose __init__.py declares PROBLEM."
        )
    problem = getattr(module, "PROBLEM", None)
    if not isinstance(problem, Problem):
        raise ProblemError(f"{module.__file__} declares no PROBLEM: see docs/own-problem.md.")
    return problem


def _from_folder(folder: Path) -> ModuleType:
    """Import a folder as a package whose name is derived from its path, and so is unique."""
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

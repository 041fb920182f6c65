"""Create something expensive once for all workers of a test run."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def folder_of_all_workers(factory: pytest.TempPathFactory, config: pytest.Config) -> Path:
    """Return the temporary folder that all workers of this test run share."""
    base = factory.getbasetemp()
    return base.parent if hasattr(config, "workerinput") else base


def make_once(folder: Path, name: str, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Call `make(folder / name)` in the first worker, and return its result in all workers.

    The result is a dict that JSON can represent.
    """
    target, result = folder / name, folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            target.mkdir()
            result.write_text(json.dumps(make(target)))
    return dict(json.loads(result.read_text()))

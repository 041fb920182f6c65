"""New MLflow stores: their tables take seconds to create, and no time to copy."""

from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from tests.support.databases import copy_sqlite
from tests.support.once import make_once


def copy_empty_store(shared_folder: Path, to: Path) -> str:
    """A copy of an empty MLflow store in a new SQLite file; returns its address."""
    make_once(shared_folder, "empty_store", _make)
    return f"sqlite:///{copy_sqlite(shared_folder / 'empty_store' / 'mlflow.db', to)}"


def _make(folder: Path) -> dict[str, Any]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    client.search_experiments()
    client.search_registered_models()
    return {}

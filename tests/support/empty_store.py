"""Empty MLflow stores, which are copied because creating their tables takes seconds."""

from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from tests.support.databases import copy_sqlite
from tests.support.once import make_once


def copy_empty_store(shared_folder: Path, to: Path) -> str:
    """Copy an empty MLflow store to a new SQLite file, and return its URI."""
    make_once(shared_folder, "empty_store", _create)
    return f"sqlite:///{copy_sqlite(shared_folder / 'empty_store' / 'mlflow.db', to)}"


def _create(folder: Path) -> dict[str, Any]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    client.search_experiments()
    client.search_registered_models()
    return {}

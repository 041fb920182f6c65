"""The addresses of MLflow's pages, and what a printed command needs to use the same store."""

from pathlib import Path

import mlflow
import pytest

from registry import store


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        ("sqlite:///mlflow.db", "http://127.0.0.1:5000/#/models/x"),
        ("http://user:secret@host:5000/", "http://host:5000/#/models/x"),
        ("https://host/mlflow", "https://host/mlflow/#/models/x"),
    ],
)
def test_a_page_is_on_the_tracking_server_or_on_mlflow_ui(uri: str, page: str) -> None:
    mlflow.set_tracking_uri(uri)
    assert store.ui_url("models/x") == page


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        ("", ""),  # the store in the current folder
        ("sqlite:///other store.db", "MLFLOW_TRACKING_URI='sqlite:///other store.db' "),
        ("http://host:5000", "MLFLOW_TRACKING_URI=http://host:5000 "),
        ("http://user:secret@host:5000", ""),
    ],
)
def test_a_printed_command_names_another_store_but_no_password(
    uri: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri or store.default_uri(Path.cwd()))
    assert store.command_prefix() == prefix

"""serve.py follows moved aliases: regularly, and at once if a client requests the version."""

import threading
from pathlib import Path

import pytest

from serving import application
from tests.support.project import MODEL
from tests.support.request_bodies import JSON, ROWS, invoke, records_body
from tests.support.scoring import score
from tests.support.serve_app import ServeApp, serve_app
from tests.support.trained import StoreCopy
from tests.support.waiting import wait_for

pytestmark = pytest.mark.filterwarnings("ignore")  # as in the workers of serve.py
BODY = records_body(ROWS[0])


def wait_until_it_serves(app: ServeApp, number: str) -> None:
    wait_for(lambda: app.model()["version"] == number, f"version {number} to become active")


def test_a_moved_alias_takes_effect_while_requests_continue(
    store: StoreCopy, tmp_path: Path
) -> None:
    statuses, finished = [], threading.Event()
    with serve_app(store.uri, tmp_path, refresh_seconds=0.05) as app:

        def send_requests() -> None:
            while not finished.is_set():
                statuses.append(invoke(app.url, JSON, BODY).status_code)

        client = threading.Thread(target=send_requests)
        client.start()
        try:
            for number in ("1", "2"):
                store.set_alias("champion", number)
                wait_until_it_serves(app, number)
        finally:
            finished.set()
            client.join()
    assert statuses
    assert set(statuses) == {200}


def test_a_request_for_a_version_that_was_just_promoted_activates_it(
    store: StoreCopy, small_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    with serve_app(store.uri, tmp_path, refresh_seconds=3600) as app:
        store.set_alias("champion", "1")
        assert score(small_database, app.url, "--limit", 100) == 0
        assert app.model()["version"] == "1"


def test_requests_for_unknown_versions_do_not_cause_repeated_refreshes(
    store: StoreCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "MIN_REFRESH_SECONDS", 3600)
    with serve_app(store.uri, tmp_path, refresh_seconds=3600) as app:

        def status_of(version: str) -> int:
            return invoke(app.url, JSON, BODY, **{"X-Model-Version": version}).status_code

        assert status_of(f"{MODEL}/99") == 412  # this request has caused a refresh
        store.set_alias("champion", "1")
        assert status_of(f"{MODEL}/1") == 412
        assert app.model()["version"] == "2"

"""serve.py takes up moved aliases: now and then, and at once for whoever names the version."""

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

pytestmark = pytest.mark.filterwarnings("ignore")  # as in serve.py's workers
BODY = records_body(ROWS[0])


def wait_until_it_serves(app: ServeApp, number: str) -> None:
    wait_for(lambda: app.model()["version"] == number, f"version {number} to answer")


def test_a_moved_alias_is_taken_up_while_requests_go_on(store: StoreCopy, tmp_path: Path) -> None:
    statuses, over = [], threading.Event()
    with serve_app(store.uri, tmp_path, refresh=0.05) as app:

        def send_requests() -> None:
            while not over.is_set():
                statuses.append(invoke(app.url, JSON, BODY).status_code)

        client = threading.Thread(target=send_requests)
        client.start()
        try:
            for number in ("1", "2"):
                store.set_alias("champion", number)
                wait_until_it_serves(app, number)
        finally:
            over.set()
            client.join()
    assert statuses
    assert set(statuses) == {200}


def test_what_was_just_promoted_answers_the_first_who_names_it(
    store: StoreCopy, small_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    with serve_app(store.uri, tmp_path, refresh=3600) as app:
        store.set_alias("champion", "1")
        assert score(small_database, app.url, "--limit", 100) == 0
        assert app.model()["version"] == "1"


def test_requests_for_unknown_versions_do_not_cause_repeated_refreshes(
    store: StoreCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "MIN_REFRESH_SECONDS", 3600)
    with serve_app(store.uri, tmp_path, refresh=3600) as app:

        def status_of(version: str) -> int:
            return invoke(app.url, JSON, BODY, **{"X-Model-Version": version}).status_code

        assert status_of(f"{MODEL}/99") == 412  # it has looked for this one
        store.set_alias("champion", "1")
        assert status_of(f"{MODEL}/1") == 412
        assert app.model()["version"] == "2"

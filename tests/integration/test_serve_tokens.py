"""serve.py --tokens: clients need a token, and the file can change while the server runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from serving import tokens
from tests.support.databases import count_scored
from tests.support.request_bodies import JSON, ROWS, invoke, records_body
from tests.support.scoring import score
from tests.support.serve_app import ServeApp, serve_app
from tests.support.trained import TrainedStore
from tests.support.waiting import wait_for

pytestmark = pytest.mark.filterwarnings("ignore")  # as in the workers of serve.py


@pytest.fixture(scope="module")
def secured(
    trained: TrainedStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServeApp, str]]:
    """An application that requires tokens, and a valid token."""
    folder = tmp_path_factory.mktemp("secured")
    token = tokens.issue(folder / "tokens.txt", "scoring")
    with serve_app(trained.tracking_uri, folder, token_file=folder / "tokens.txt") as app:
        yield app, token


def status(app: ServeApp, authorization: str = "", path: str = "/model") -> int:
    headers = {"Authorization": authorization}
    return requests.get(app.url + path, headers=headers, timeout=60).status_code


@pytest.mark.parametrize("path", ["/ping", "/health", "/ready"])
def test_health_checks_need_no_token(path: str, secured: tuple[ServeApp, str]) -> None:
    assert status(secured[0], path=path) == 200


@pytest.mark.parametrize("path", ["/model", "/champion/model", "/metrics", "/version"])
def test_other_paths_need_a_valid_token(path: str, secured: tuple[ServeApp, str]) -> None:
    app, token = secured
    assert status(app, path=path) == 401
    assert status(app, f"Bearer {token}", path) == 200
    for wrong in (token, f"Basic {token}", "Bearer", f"Bearer {token}x", "Bearer \xff"):
        assert status(app, wrong, path) == 401


@pytest.mark.parametrize("path", ["", "/champion"])
def test_scoring_needs_a_valid_token(path: str, secured: tuple[ServeApp, str]) -> None:
    app, token = secured
    body = records_body(ROWS[0])
    rejected = invoke(app.url + path, JSON, body)
    assert rejected.status_code == 401
    assert rejected.headers["WWW-Authenticate"] == "Bearer"
    assert rejected.json()["error_code"] == "UNAUTHORIZED"
    accepted = invoke(app.url + path, JSON, body, Authorization=f"Bearer {token}")
    assert accepted.status_code == 200
    assert app.log_line_of(accepted)["caller"] == "scoring"


def test_a_changed_file_is_read_again_and_its_errors_are_logged(
    trained: TrainedStore, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.txt"
    first = tokens.issue(file, "scoring")
    with serve_app(trained.tracking_uri, tmp_path, token_file=file, refresh_seconds=0.05) as app:
        second = tokens.issue(file, "form")
        assert status(app, f"Bearer {first}") == status(app, f"Bearer {second}") == 200
        file.write_text(f"nonsense\n{file.read_text().splitlines()[1]}\n")
        assert status(app, f"Bearer {first}") == 401
        assert status(app, f"Bearer {second}") == 200

        def reports() -> list[str]:
            return [event["why"] for event in app.events if event["event"] == "tokens"]

        assert wait_for(reports, "the error in the log")[0].startswith("Line 1 of")
        file.write_text(file.read_text().removeprefix("nonsense\n"))
        wait_for(lambda: "read again" in reports(), "the end of the error in the log")
        assert len(reports()) == 2


def test_the_client_sends_the_token_from_its_environment(
    secured: tuple[ServeApp, str],
    small_database: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, token = secured
    assert score(small_database, app.url) == 4
    assert "ENDPOINT_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("ENDPOINT_TOKEN", f"{token[:9]}\n{token}")
    assert score(small_database, app.url) == 2
    assert token[:9] not in capsys.readouterr().err
    assert count_scored(small_database) == 0
    monkeypatch.setenv("ENDPOINT_TOKEN", f"{token}\n")
    assert score(small_database, app.url, "--limit", 100) == 0
    wait_for(
        lambda: any(e.get("caller") == "scoring" and e["rows"] > 10 for e in app.events),
        "the client's requests in the log",
    )
    assert token not in app.log.read_text()

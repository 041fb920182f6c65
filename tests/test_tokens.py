"""serve.py --tokens: only who holds a token is answered, and the file may change meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import serve
from server import tokens
from tests.asking import JSON, ROWS, ask, records
from tests.helpers import (
    Trained,
    run_main,
    score,
    wait_for,
)
from tests.servers import Server, our_server


def issue(file: Path, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """A new token, as --new-token prints it."""
    assert run_main(serve.main, "--tokens", file, "--new-token", name) == 0
    return capsys.readouterr().out.strip()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.txt"


@pytest.fixture(scope="module")
def guarded(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str]]:
    """A server that asks for tokens, and a token for it."""
    folder = tmp_path_factory.mktemp("guarded")
    token = tokens.issue(folder / "tokens.txt", "scoring")
    flags = ("--tokens", folder / "tokens.txt")
    with our_server(trained.tracking_uri, folder, *flags, workers=1) as server:
        yield server, token


def status(server: Server, authorization: str = "", path: str = "/model") -> int:
    headers = {"Authorization": authorization}
    return requests.get(server.url + path, headers=headers, timeout=60).status_code


def test_a_token_is_printed_once_and_only_its_hash_is_kept(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = issue(file, "scoring", capsys)
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert run_main(serve.main, "--tokens", file, "--new-token", "scoring") == 2
    assert "has a token 'scoring' already" in capsys.readouterr().err


def test_who_has_no_token_is_told_nothing_but_that_the_server_is_alive(
    guarded: tuple[Server, str],
) -> None:
    server, token = guarded
    assert [status(server, path=path) for path in ("/ping", "/ready")] == [200, 200]
    for path in ("/model", "/metrics", "/version"):
        assert status(server, path=path) == 401
        assert status(server, f"Bearer {token}", path) == 200
    for wrong in (token, f"Basic {token}", "Bearer", f"Bearer {token}x", "Bearer \xff"):
        assert status(server, wrong) == 401
    assert ask(server.url, JSON, records(ROWS[0])).headers["WWW-Authenticate"] == "Bearer"


def test_the_file_is_taken_up_as_it_changes(
    trained: Trained, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = issue(file, "scoring", capsys)
    with our_server(trained.tracking_uri, tmp_path, "--tokens", file) as server:

        def both() -> tuple[int, int]:
            return status(server, f"Bearer {first}"), status(server, f"Bearer {second}")

        second = issue(file, "form", capsys)
        assert both() == (200, 200)
        lines = file.read_text().splitlines()
        file.write_text(f"nonsense\n{lines[1]}")  # and no line end
        assert both() == (401, 200)

        def faults() -> list[str]:
            return [event["why"] for event in server.events if event["event"] == "tokens"]

        wait_for(lambda: len(faults()) == 2, "both workers' lines in the log")
        assert all("Line 1 of" in told for told in faults())
        away = file.rename(tmp_path / "away.txt")
        assert status(server, f"Bearer {second}") == 200  # as before
        away.write_text(lines[1])
        away.rename(file)
        first = issue(file, "scoring", capsys)
        assert both() == (200, 200)
        file.write_text("")
        assert both() == (401, 401)


def test_the_client_gives_the_token_of_its_environment(
    guarded: tuple[Server, str],
    loaded: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, token = guarded
    assert score(loaded, server.url) == 4
    assert "ENDPOINT_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("ENDPOINT_TOKEN", f"{token[:9]}\n{token}")
    assert score(loaded, server.url) == 2
    assert token[:9] not in capsys.readouterr().err
    monkeypatch.setenv("ENDPOINT_TOKEN", f"{token}\n")
    assert score(loaded, server.url, "--limit", 100) == 0
    wait_for(lambda: any(e.get("caller") == "scoring" for e in server.events), "its caller")
    assert token not in server.log.read_text()

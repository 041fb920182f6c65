"""The flags of serve.py: errors are one sentence, and valid values reach the workers.

These tests replace the loop of uvicorn's supervisor, so they start no workers.
"""

import socket
from pathlib import Path

import pytest
import uvicorn
from uvicorn.supervisors import Multiprocess

import cli
import problems
import serve
from scoring.local_server import free_port
from serving import connections, settings, tokens
from serving.settings import Settings
from tests.support.scripts import run_main

IN_USE, NO_TOKENS = "address in use", "file without tokens"
MISTAKES: dict[str, tuple[tuple[object, ...], str]] = {
    "open to other machines": (("--host", "0.0.0.0"), "give --tokens FILE, or give --insecure"),  # noqa: S104
    "no tokens": (("--tokens", NO_TOKENS), "has no token: add one with --new-token NAME"),
    "no file": (("--tokens", "none"), "cannot be read (No such file or directory)"),
    "no file for a new token": (("--new-token", "me"), "give --tokens FILE"),
    "name with a space": (("--tokens", NO_TOKENS, "--new-token", "a b"), "cannot name a token"),
    "port in use": (("--port", IN_USE), "Address already in use"),
    "no such host": (
        ("--host", "nowhere.invalid", "--insecure"),
        "Cannot listen on nowhere.invalid",
    ),
    "no alias": (("--alias", ","), "--alias is empty"),
    "unknown alias": (("--alias", "winner"), "has no version models:/offer-click@winner"),
}


@pytest.mark.usefixtures("use_trained")
@pytest.mark.parametrize("case", MISTAKES)
def test_an_error_in_the_flags_is_reported_in_one_sentence(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, message = MISTAKES[case]
    file = tmp_path / "tokens.txt"
    file.write_text("# none yet\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        values = {IN_USE: server.getsockname()[1], NO_TOKENS: file}
        assert run_main(serve.main, *(values.get(str(flag), flag) for flag in flags)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_only_one_server_can_listen_on_an_address() -> None:
    port = free_port()
    with (
        connections.listen("127.0.0.1", port),
        pytest.raises(cli.UserError, match="Address already in use"),
    ):
        connections.listen("127.0.0.1", port)


@pytest.mark.usefixtures("use_trained")
def test_the_flags_reach_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[tuple[Settings, uvicorn.Config, tuple[str, int]]] = []

    def run(supervisor: Multiprocess) -> None:
        (listener,) = supervisor.sockets
        runs.append((Settings.from_environment(), supervisor.config, listener.getsockname()))

    monkeypatch.setattr(Multiprocess, "run", run)
    for variable in (settings.SETTINGS_VARIABLE, settings.METRICS_FOLDER, "OMP_NUM_THREADS"):
        monkeypatch.setenv(variable, "")  # restores them afterwards
    tokens.issue(tmp_path / "tokens.txt", "scoring")
    port = free_port()
    flags: tuple[object, ...] = ("--alias", "challenger, champion", "--port", port, "--workers", 3)
    flags += ("--refresh", 0.5, "--timeout", 7, "--in-flight", 9, "--max-body", 2, "--max-rows", 3)
    assert run_main(serve.main, *flags, "--tokens", "tokens.txt") == 1  # no signal stopped it
    ((worker_settings, config, address),) = runs
    problem = problems.load()
    assert worker_settings == Settings(
        model_name=problem.model_name,
        outcome_labels=problem.outcome_labels,
        aliases=("challenger", "champion"),
        refresh_seconds=0.5,
        timeout_seconds=7,
        max_in_flight=9,
        max_body_bytes=2 * 2**20,
        max_rows=3,
        token_file=str(tmp_path / "tokens.txt"),
    )
    assert config.workers == 3
    assert config.timeout_graceful_shutdown == 8
    assert not config.proxy_headers
    assert address == ("127.0.0.1", port)

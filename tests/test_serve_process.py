"""serve.py as processes: its limits, what signals and kills do to it, and what its flags refuse."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

import serve
from serving.local import free_port
from tests.asking import JSON, ROWS, ask, records
from tests.helpers import (
    Store,
    Trained,
    champion_version,
    run_main,
    started_script,
    wait_for,
)
from tests.servers import Server, our_server


@pytest.fixture
def slow(trained: Trained, tmp_path: Path) -> Iterator[Server]:
    """One worker that takes two requests at once, a second for each, and 1 MiB of a body."""
    flags = ("--in-flight", 2, "--timeout", 1, "--max-body", 1)
    with our_server(trained.tracking_uri, tmp_path, *flags, workers=1) as found:
        yield found


def held_open(server: Server) -> socket.socket:
    """A request whose body does not come."""
    host, port = server.url.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)), timeout=60)
    made.sendall(
        b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    return made


def test_limits_of_size_time_and_number(slow: Server) -> None:
    large = records(*ROWS * 10_000)
    whole = ask(slow.url, JSON, large)
    pieces = requests.post(
        f"{slow.url}/invocations",
        data=(large[at : at + 9999].encode() for at in range(0, len(large), 9999)),
        headers={"Content-Type": JSON},
        timeout=60,
    )
    assert (whole.status_code, pieces.status_code) == (413, 413)
    assert "1,048,576 bytes" in whole.json()["message"]

    with held_open(slow) as first, held_open(slow) as second:
        wait_for(lambda: slow.metric("scoring_in_flight") == 2, "two requests at work")
        third = ask(slow.url, JSON, records(ROWS[0]))
        assert third.status_code == 429
        assert third.headers["Retry-After"] == "1"
        for held in (first, second):
            assert held.recv(1000).startswith(b"HTTP/1.1 504")
    wait_for(lambda: slow.metric("scoring_in_flight") == 0, "both to be given up")
    assert ask(slow.url, JSON, records(ROWS[0])).status_code == 200


def takers(server: Server) -> set[int]:
    """The workers that have loaded something."""
    return {event["worker"] for event in server.events if event["event"] == "takes over"}


def test_a_killed_worker_is_replaced_while_the_other_answers(
    trained: Trained, tmp_path: Path
) -> None:
    with our_server(trained.tracking_uri, tmp_path) as server:

        def worker() -> int:
            answer = ask(server.url, JSON, records(ROWS[0]))
            assert answer.status_code == 200
            (line,) = server.lines_of([answer.headers["X-Request-ID"]])
            return int(line["worker"])

        killed = worker()
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: len(takers(server)) == 3, "a third worker")
        assert {worker() for _ in range(20)} <= takers(server) - {killed}
        server.wait_until_all_serve(champion_version(trained).model_id)


def test_sigterm_finishes_what_is_in_flight(trained: Trained, tmp_path: Path) -> None:
    with our_server(trained.tracking_uri, tmp_path, workers=1) as server:
        body = records(*ROWS * 15_000)
        with ThreadPoolExecutor(1) as elsewhere:
            answer = elsewhere.submit(ask, server.url, JSON, body)
            wait_for(lambda: server.metric("scoring_in_flight") == 1, "a request at work")
            server.process.send_signal(signal.SIGTERM)
            assert len(answer.result().json()["predictions"]) == 45_000
        assert server.process.wait(60) == 143
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{server.url}/ping", timeout=5)


def test_workers_end_when_their_supervisor_is_killed(trained: Trained, tmp_path: Path) -> None:
    with our_server(trained.tracking_uri, tmp_path) as server:
        server.process.kill()

        def gone() -> bool:
            try:
                requests.get(f"{server.url}/ping", timeout=5)
            except requests.ConnectionError:
                return True
            return False

        wait_for(gone, "the port to be free again")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_while_the_workers_start_ends_all_of_them(
    number: signal.Signals, store: Store, tmp_path: Path
) -> None:
    port = free_port()
    with starting(port, store, tmp_path) as server:
        assert server.stderr
        while "parent process" not in server.stderr.readline():
            assert server.poll() is None
        for _ in range(1 if number == signal.SIGKILL else 2):  # asked twice, at once
            server.send_signal(number)
        assert server.wait(60) in (-number, 128 + number)
        wait_for(lambda: is_free(port), "the port to be free again")


def starting(
    port: int, store: Store, folder: Path
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    flags = ("--port", port)
    return started_script("serve.py", *flags, cwd=folder, MLFLOW_TRACKING_URI=store.uri)


def is_free(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) != 0


def test_two_cannot_start_at_one_address(store: Store, tmp_path: Path) -> None:
    port = free_port()
    with starting(port, store, tmp_path) as a, starting(port, store, tmp_path) as b:
        loser = wait_for(lambda: next((s for s in (a, b) if s.poll() is not None), None), "one")
        assert loser.returncode == 2
        assert "Address already in use" in loser.stderr.read()


@pytest.mark.usefixtures("store")
def test_what_is_wrong_with_the_flags_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text("# none yet\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for flags, told in (
            (("--host", "0.0.0.0"), "give --tokens FILE, or say --insecure"),  # noqa: S104
            (("--tokens", file), "holds no token: add one with --new-token NAME"),
            (("--tokens", tmp_path / "none"), "cannot be read (No such file or directory)"),
            (("--new-token", "me"), "name it with --tokens FILE"),
            (("--tokens", file, "--new-token", "a b"), "cannot name a token"),
            (("--port", taken.getsockname()[1]), "Address already in use"),
            (("--host", "nowhere.invalid", "--insecure"), "Nothing can listen on nowhere.invalid"),
            (("--alias", ","), "--alias names none"),
            (("--alias", "winner"), "has no version models:/offer-click@winner"),
        ):
            assert run_main(serve.main, *flags) == 2
            error = capsys.readouterr().err
            assert told in error
            assert error.count("\n") == 1


def test_a_challenger_that_is_not_there_yet_is_taken_up_when_it_is(
    store: Store, tmp_path: Path
) -> None:
    store.client.delete_registered_model_alias("offer-click", "challenger")
    flags = ("--alias", "champion,challenger")
    with our_server(store.uri, tmp_path, *flags) as server:
        assert requests.get(f"{server.url}/ready", timeout=60).status_code == 200
        answer = ask(f"{server.url}/challenger", JSON, records(ROWS[0]))
        assert answer.status_code == 503
        assert "has the alias challenger" in server.model("challenger")["refused"]["why"]
        store.point("challenger", "3")
        server.wait_until_all_serve("offer-click/3")
        answer = ask(f"{server.url}/challenger", JSON, records(ROWS[0]))
        assert answer.headers["X-Model-Version"] == "offer-click/3"

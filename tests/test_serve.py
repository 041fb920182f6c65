"""serve.py, as a real server: it answers as MLflow's does, says by which version, and refuses well.

Swaps of versions are tried in test_swaps.py, and all kinds of nonsense in test_serve_fuzz.py.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import requests

import serve
from registry import versions
from serving.local import free_port
from tests.asking import COLUMNS, CSV, FRAME, JSON, PARQUET, ROWS, ask, parquet, records, split
from tests.helpers import (
    Store,
    Trained,
    assert_every_offer_once,
    champion_version,
    run_main,
    score,
    started_script,
    wait_for,
)
from tests.servers import Server, our_server

ANSWERED: dict[str, tuple[str, str | bytes]] = {
    "records": (JSON, records(*ROWS)),
    "one record": (JSON, records(ROWS[0])),
    "nothing but nulls": (JSON, records(dict.fromkeys(COLUMNS))),
    "split": (JSON, split(FRAME)),
    "columns in another order, and one too many": (JSON, split(FRAME[COLUMNS[::-1]].assign(x=1))),
    "instances": (JSON, json.dumps({"instances": ROWS[:1]})),
    "csv": (CSV, FRAME.to_csv(index=False)),
    "csv, charset named": ("text/csv; charset=utf-8", FRAME.to_csv(index=False)),
    "parquet": (PARQUET, parquet(FRAME)),
    "parquet of smaller numbers, and a column too many": (
        PARQUET,
        parquet(FRAME[:1].assign(surname="Ellington").astype({"requested": "int32"})),
    ),
}
REFUSED: dict[str, tuple[str, str, int, str]] = {
    "not JSON": (JSON, "{", 400, "not valid JSON"),
    "a list": (JSON, "[1]", 400, "must be an object with just one of dataframe_records"),
    "another field": (JSON, '{"rows": []}', 400, "just one of dataframe_records"),
    "a column is missing": (
        JSON, split(FRAME.drop(columns=["apr", "credit"])), 400, "or they lack credit, apr.",
    ),
    "text for a number": (
        JSON, records(ROWS[0] | {"apr": "dear"}), 400, "apr holds something of another type",
    ),
    "no rows": (JSON, records(), 400, "there are none, or they lack requested, loan_purpose"),
    "not CSV": (CSV, '"', 400, "cannot be read as CSV"),
    "not Parquet": (PARQUET, "PAR1", 400, "cannot be read as Parquet"),
    "no content type": ("", "{}", 415, "Send a Content-Type"),
    "another content type": ("text/html", "<b>", 415, "application/json"),
    "another charset": ("application/json; charset=latin-1", "{}", 415, "UTF-8"),
}  # fmt: skip


def lines_of(server: Server, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The lines that the log has, or will have, of these requests."""

    def found() -> list[dict[str, Any]]:
        return [event for event in server.events if event.get("request_id") in ids]

    wait_for(lambda: len(found()) == len(ids), "a line for each request")
    return found()


def assert_nothing_was_repeated(server: Server) -> None:
    for log in (server.log, server.log.with_name("serve.err")):
        assert not re.search("dear|moon|Ellington|surname", log.read_text())


@pytest.mark.parametrize("case", ANSWERED)
def test_it_answers_what_mlflow_s_own_server_answers(
    case: str, server: Server, champion: str
) -> None:
    ours, theirs = ask(server.url, *ANSWERED[case]), ask(champion, *ANSWERED[case])
    assert (ours.status_code, theirs.status_code) == (200, 200)
    assert ours.headers["Content-Type"] == theirs.headers["Content-Type"]
    np.testing.assert_allclose(
        ours.json()["predictions"], theirs.json()["predictions"], rtol=1e-12, atol=0
    )
    assert_nothing_was_repeated(server)


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses_in_one_shape_with_a_reason_and_without_what_was_sent(
    case: str, server: Server
) -> None:
    kind, body, status, reason = REFUSED[case]
    answer = ask(server.url, kind, body)
    assert answer.status_code == status
    told = answer.json()
    assert set(told) == {"error_code", "message", "request_id"}
    assert reason in told["message"]
    assert answer.headers["X-Request-ID"] == told["request_id"]
    (line,) = lines_of(server, [told["request_id"]])
    assert (line["status"], line["error"]) == (status, told["error_code"])
    assert_nothing_was_repeated(server)


def test_every_row_scores_the_same_alone_and_in_any_batch(server: Server) -> None:
    together = ask(server.url, JSON, records(*ROWS)).json()["predictions"]
    for at, (row, expected) in enumerate(zip(ROWS, together, strict=True)):
        alone = FRAME[at : at + 1]
        for kind, body in (
            (JSON, records(row)),
            (CSV, alone.to_csv(index=False)),
            (PARQUET, parquet(alone)),
        ):
            answer = ask(server.url, kind, body)
            assert answer.status_code == 200, (kind, answer.text)
            np.testing.assert_allclose(answer.json()["predictions"], [expected], rtol=1e-12)


def test_each_alias_is_answered_by_its_version_which_says_so(
    server: Server, trained: Trained
) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    for path, alias in (("", "champion"), ("/champion", "champion"), ("/challenger", "challenger")):
        version = versions.resolve(mlflow.MlflowClient(), f"models:/offer-click@{alias}")
        answer = ask(f"{server.url}{path}", JSON, records(*ROWS))
        assert answer.headers["X-Model-Version"] == version.model_id
        assert answer.headers["X-Logged-Model-Id"] == version.logged_model_id
        expected = mlflow.pyfunc.load_model(version.uri).predict(FRAME)
        np.testing.assert_allclose(answer.json()["predictions"], expected, rtol=1e-12)
        told = server.model(path.strip("/"))
        assert (told["alias"], told["model_version"]) == (alias, version.model_id)
        assert told["threshold"] == version.threshold
        assert told["run_id"]
        assert "apr" in told["signature"]["inputs"]
        assert told["refused"] is None


def test_a_version_is_answered_by_its_name_and_no_other_in_its_place(
    server: Server, trained: Trained
) -> None:
    number = int(champion_version(trained).number)
    challenger = server.model("challenger")["model_version"]
    answer = ask(server.url, JSON, records(ROWS[0]), **{"X-Model-Version": challenger})
    assert answer.headers["X-Model-Version"] == challenger
    answer = ask(server.url, JSON, records(ROWS[0]), **{"X-Model-Version": "offer-click/99"})
    assert answer.status_code == 412
    assert f"champion is offer-click/{number}." in answer.json()["message"]


def test_what_it_does_not_serve_is_told_in_the_same_shape(server: Server) -> None:
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/invocations", 405),
        ("POST", "/nobody/invocations", 404),
        ("GET", "/nobody/model", 404),
        ("DELETE", "/model", 405),
    ):
        answer = requests.request(method, server.url + path, timeout=60)
        assert answer.status_code == status, path
        assert set(answer.json()) == {"error_code", "message", "request_id"}


def test_probes_metrics_and_log_tell_how_it_is(server: Server) -> None:
    for path in ("/ping", "/health", "/ready", "/version"):
        assert requests.get(server.url + path, timeout=60).status_code == 200
    labels = {"alias": "champion", "version": server.model()["model_version"]}

    def seen() -> dict[str, float]:
        return {
            "requests": server.metric("scoring_requests_total", status="200", **labels),
            "refused": server.metric("scoring_requests_total", status="400", **labels),
            "errors": server.metric("scoring_errors_total", kind="bad_rows"),
            "rows": server.metric("scoring_rows_total", **labels),
            "timed": server.metric("scoring_request_seconds_count", **labels),
        }

    before = seen()
    ids = [ask(server.url, JSON, records(*ROWS)).headers["X-Request-ID"] for _ in range(4)]
    ask(server.url, JSON, "{")
    expected = {"requests": 4, "refused": 1, "errors": 1, "rows": 12, "timed": 4}
    after = wait_for(
        lambda: (now := seen())["timed"] - before["timed"] == 4 and now, "the metrics of all"
    )
    assert {name: after[name] - before[name] for name in before} == expected
    for line in lines_of(server, ids):
        assert (line["status"], line["rows"], line["alias"]) == (200, 3, "champion")
        assert line["ms"] > 0
    assert server.metric("scoring_in_flight") == 0


def test_the_client_scores_a_whole_table_through_it(
    server: Server, loaded: Path, trained: Trained
) -> None:
    assert score(loaded, server.url) == 0
    assert_every_offer_once(loaded, champion_version(trained).model_id)


# Limits, logins, signals: each needs a server of its own


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


def test_tokens_are_asked_for_and_taken_up_from_their_file(
    trained: Trained,
    loaded: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "tokens.txt"

    def issue(name: str) -> str:
        assert run_main(serve.main, "--tokens", file, "--new-token", name) == 0
        return capsys.readouterr().out.strip()

    first = issue("scoring")
    assert first not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert run_main(serve.main, "--tokens", file, "--new-token", "scoring") == 2
    assert "has a token 'scoring' already" in capsys.readouterr().err
    with our_server(trained.tracking_uri, tmp_path, "--tokens", file) as server:

        def status(authorization: str = "", path: str = "/model") -> int:
            headers = {"Authorization": authorization}
            return requests.get(server.url + path, headers=headers, timeout=60).status_code

        assert (status(path="/ping"), status(path="/ready")) == (200, 200)
        for path in ("/model", "/metrics", "/version"):
            assert status(path=path) == 401
            assert status(f"Bearer {first}", path) == 200
        for wrong in (first, f"Basic {first}", "Bearer", f"Bearer {first}x", "Bearer \xff"):
            assert status(wrong) == 401
        assert ask(server.url, JSON, records(ROWS[0])).headers["WWW-Authenticate"] == "Bearer"

        second = issue("form")
        assert status(f"Bearer {second}") == status(f"Bearer {first}") == 200
        lines = file.read_text().splitlines()
        file.write_text(f"nonsense\n{lines[1]}")  # and no line end
        assert (status(f"Bearer {second}"), status(f"Bearer {first}")) == (200, 401)

        def faults() -> list[str]:
            return [event["why"] for event in server.events if event["event"] == "tokens"]

        wait_for(lambda: len(faults()) == 2, "both workers' lines in the log")
        assert all("Line 1 of" in told for told in faults())
        away = file.rename(tmp_path / "away.txt")
        assert status(f"Bearer {second}") == 200  # as before
        away.write_text(lines[1])
        away.rename(file)
        first = issue("scoring")
        assert (status(f"Bearer {second}"), status(f"Bearer {first}")) == (200, 200)
        file.write_text("")
        assert (status(f"Bearer {second}"), status(f"Bearer {first}")) == (401, 401)
        file.write_text(f"{lines[1]}\n")
        first = issue("scoring")

        assert score(loaded, server.url) == 4
        assert "ENDPOINT_TOKEN" in capsys.readouterr().err
        monkeypatch.setenv("ENDPOINT_TOKEN", f"{first[:9]}\n{first}")
        assert score(loaded, server.url) == 2
        assert first[:9] not in capsys.readouterr().err
        monkeypatch.setenv("ENDPOINT_TOKEN", f"{first}\n")
        assert score(loaded, server.url, "--limit", 100) == 0
        wait_for(lambda: any(e.get("caller") == "scoring" for e in server.events), "its caller")
        assert not {first, second} & set(server.log.read_text().split())


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
            (line,) = lines_of(server, [answer.headers["X-Request-ID"]])
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


def test_the_client_stops_when_another_version_answers(
    server: Server, loaded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(loaded, server.url, "--model", "models:/offer-click/3") == 4
    assert "answered 412" in capsys.readouterr().err

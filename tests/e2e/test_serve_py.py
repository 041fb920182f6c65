"""A real serve.py with two workers: responses, metrics, the log, and a worker that is killed.

More tests of its responses are in tests/integration/test_serve_*.py.
"""

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest
import requests

from tests.support.request_bodies import JSON, ROWS, invoke, records_body
from tests.support.serve_requests import INVALID, SENT_TEXTS, VALID
from tests.support.servers import ServePy, serve_py
from tests.support.trained import TrainedStore
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def server(trained: TrainedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServePy]:
    """serve.py with champion and challenger."""
    flags = ("--alias", "champion,challenger")
    with serve_py(trained.tracking_uri, tmp_path_factory.mktemp("server"), *flags) as server:
        yield server


def test_it_responds_like_mlflow_s_own_server_and_logs_no_content_of_requests(
    server: ServePy, champion: str
) -> None:
    ids = []
    for case, request in VALID.items():
        ours, theirs = invoke(server.url, *request), invoke(champion, *request)
        assert (ours.status_code, theirs.status_code) == (200, 200), case
        np.testing.assert_allclose(
            ours.json()["predictions"],
            theirs.json()["predictions"],
            rtol=1e-12,
            atol=0,
            err_msg=case,
        )
        ids.append(ours.headers["X-Request-ID"])
    for case, (content_type, body, status, message) in INVALID.items():
        response = invoke(server.url, content_type, body)
        assert response.status_code == status, case
        assert message in response.json()["message"], case
        ids.append(response.headers["X-Request-ID"])
    assert len(server.log_lines_of(ids)) == len(ids)
    for log in (server.log, server.log.with_name("serve.err")):
        assert not SENT_TEXTS.search(log.read_text())


def test_each_alias_serves_its_version(server: ServePy, trained: TrainedStore) -> None:
    for path, alias in (("", "champion"), ("/champion", "champion"), ("/challenger", "challenger")):
        version = trained.version(alias).model_id
        response = invoke(f"{server.url}{path}", JSON, records_body(ROWS[0]))
        assert response.headers["X-Model-Version"] == version
        assert server.model(path.strip("/"))["model_version"] == version


def test_metrics_and_log_count_the_requests_of_all_workers(server: ServePy) -> None:
    for path in ("/ping", "/health", "/ready", "/version"):
        assert requests.get(server.url + path, timeout=60).status_code == 200
    labels = {"alias": "champion", "version": server.model()["model_version"]}

    def counts() -> dict[str, float]:
        return {
            "requests": server.metric("scoring_requests_total", status="200", **labels),
            "rejected": server.metric("scoring_requests_total", status="400", **labels),
            "errors": server.metric("scoring_errors_total", kind="bad_rows"),
            "rows": server.metric("scoring_rows_total", **labels),
            "timed": server.metric("scoring_request_seconds_count", **labels),
        }

    def workers() -> set[int]:
        return {line["worker"] for line in server.log_lines_of(ids)}

    before, ids = counts(), list[str]()
    while len(ids) < 4 or len(workers()) < 2:
        response = invoke(server.url, JSON, records_body(*ROWS))
        ids.append(response.headers["X-Request-ID"])
    invoke(server.url, JSON, "{")
    n = len(ids)
    after = wait_for(
        lambda: (now := counts())["errors"] > before["errors"] and now, "the metrics of all workers"
    )
    assert {name: after[name] - before[name] for name in before} == {
        "requests": n, "rejected": 1, "errors": 1, "rows": 3 * n, "timed": n,
    }  # fmt: skip
    for line in server.log_lines_of(ids):
        assert (line["status"], line["rows"], line["alias"]) == (200, 3, "champion")
        assert line["ms"] > 0
    assert server.metric("scoring_in_flight") == 0


def workers_with_a_model(server: ServePy) -> set[int]:
    """The processes that have loaded the champion, including those that have ended."""
    return {
        event["worker"]
        for event in server.events
        if event["event"] == "activated" and event["alias"] == "champion"
    }


def test_a_killed_worker_is_replaced_while_the_other_one_responds(
    server: ServePy, trained: TrainedStore
) -> None:
    def responding_worker() -> int:
        response = invoke(server.url, JSON, records_body(ROWS[0]))
        assert response.status_code == 200
        (line,) = server.log_lines_of([response.headers["X-Request-ID"]])
        return int(line["worker"])

    before = workers_with_a_model(server)
    killed = responding_worker()
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: workers_with_a_model(server) - before, "a new worker")
    assert {responding_worker() for _ in range(20)} <= workers_with_a_model(server) - {killed}
    server.wait_until_all_serve(trained.champion_id)

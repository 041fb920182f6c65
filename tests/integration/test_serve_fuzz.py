"""Random requests to serve.py never cause a 500, and are not repeated in errors or in the log.

`make test` sends 1,000 requests, `make soak` 10,000. Generated texts and numbers contain markers,
which must not appear in responses or logs.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, seed, settings

from tests.support.random_requests import MARKER, NUMBER, bodies, header_sets, targets
from tests.support.request_bodies import JSON, ROWS, invoke, records_body
from tests.support.serve_app import serve_app
from tests.support.trained import TrainedStore

REQUESTS = int(os.environ.get("SOAK_FUZZ_REQUESTS", "1000"))
SEED = int(os.environ.get("SOAK_SEED", "4"))
STATUSES = {200, 400, 404, 405, 412, 413, 415}
ERROR_KEYS = {"error_code", "message", "request_id"}


@pytest.mark.filterwarnings("ignore")  # as in the workers of serve.py
def test_random_requests_get_scores_or_errors_that_do_not_repeat_them(
    trained: TrainedStore,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    statuses: Counter[int] = Counter()
    with serve_app(trained.tracking_uri, tmp_path) as app, requests.Session() as session:

        @seed(SEED)
        @settings(
            max_examples=REQUESTS,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(target=targets, body=bodies, headers=header_sets)
        def send(target: tuple[str, str], body: tuple[str, bytes], headers: dict[str, str]) -> None:
            (method, path), (content_type, content) = target, body
            if content_type:
                headers = headers | {"Content-Type": content_type}
            response = session.request(
                method, app.url + path, data=content, headers=headers, timeout=60
            )
            statuses[response.status_code] += 1
            assert_scores_or_error(response)

        send()
        assert invoke(app.url, JSON, records_body(*ROWS)).ok
    stdout, stderr = capfd.readouterr()
    for text in (app.log.read_text(), stdout, stderr, caplog.text):
        assert_no_marker_in(text)
    assert not [event for event in app.events if event["event"] == "fault"]
    print(f"{statuses.total():,} requests: {dict(statuses)}")
    assert statuses.total() >= REQUESTS
    assert set(statuses) >= {200, 400, 404, 405, 412, 415}


def assert_scores_or_error(response: requests.Response) -> None:
    assert response.status_code in STATUSES, response.text
    content = json.loads(response.text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    if response.status_code == 200:
        assert all(0 <= p <= 1 for pair in content["predictions"] for p in pair)
        return
    assert set(content) == ERROR_KEYS
    assert_no_marker_in(response.text)
    assert_no_marker_in(str(response.headers))


def assert_no_marker_in(text: str) -> None:
    assert MARKER not in text
    assert str(NUMBER) not in text

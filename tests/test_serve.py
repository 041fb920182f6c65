"""serve.py, as a real server: it answers as MLflow's does, says by which version, and refuses well.

Its limits, signals and flags are tried in test_serve_process.py, logins in test_tokens.py, swaps of
versions in test_swaps.py, and all kinds of nonsense in test_serve_fuzz.py.
"""

import json
import re

import mlflow
import numpy as np
import pytest
import requests

from registry import versions
from tests.asking import COLUMNS, CSV, FRAME, JSON, PARQUET, ROWS, ask, parquet, records, split
from tests.helpers import (
    Trained,
    assert_every_offer_once,
    champion_version,
    score,
    wait_for,
)
from tests.servers import Server

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
    (line,) = server.lines_of([told["request_id"]])
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
    for line in server.lines_of(ids):
        assert (line["status"], line["rows"], line["alias"]) == (200, 3, "champion")
        assert line["ms"] > 0
    assert server.metric("scoring_in_flight") == 0


def test_the_client_scores_a_whole_table_through_it(
    server: Server, loaded: str, trained: Trained
) -> None:
    assert score(loaded, server.url) == 0
    assert_every_offer_once(loaded, champion_version(trained).model_id)


def test_the_client_stops_when_another_version_answers(
    server: Server, loaded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(loaded, server.url, "--model", "models:/offer-click/3") == 4
    assert "answered 412" in capsys.readouterr().err

"""Responses of serve.py to scoring requests, with its application in a thread of this process."""

from collections.abc import Iterator

import mlflow
import numpy as np
import pytest
import requests

from tests.support.databases import assert_every_offer_scored_once, count_scored
from tests.support.request_bodies import (
    CSV,
    FRAME,
    JSON,
    PARQUET,
    ROWS,
    invoke,
    parquet_body,
    records_body,
)
from tests.support.scoring import score
from tests.support.serve_app import ServeApp, serve_app
from tests.support.serve_requests import INVALID, SENT_TEXTS, VALID
from tests.support.trained import TrainedStore

pytestmark = pytest.mark.filterwarnings("ignore")  # as in the workers of serve.py


@pytest.fixture(scope="module")
def app(trained: TrainedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeApp]:
    """The application with champion and challenger."""
    folder = tmp_path_factory.mktemp("app")
    with serve_app(trained.tracking_uri, folder, aliases=("champion", "challenger")) as app:
        yield app


@pytest.mark.parametrize("case", VALID)
def test_predictions_are_those_of_mlflow_s_own_server(
    case: str, app: ServeApp, champion: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = invoke(app.url, *VALID[case]), invoke(champion, *VALID[case])
    assert (ours.status_code, theirs.status_code) == (200, 200)
    assert ours.headers["Content-Type"] == theirs.headers["Content-Type"]
    np.testing.assert_allclose(
        ours.json()["predictions"], theirs.json()["predictions"], rtol=1e-12, atol=0
    )
    line = app.log_line_of(ours)
    assert (line["status"], line["rows"]) == (200, len(ours.json()["predictions"]))
    for text in (app.log.read_text(), caplog.text):
        assert not SENT_TEXTS.search(text)


@pytest.mark.parametrize("case", INVALID)
def test_errors_have_one_format_and_do_not_repeat_the_request(
    case: str, app: ServeApp, capfd: pytest.CaptureFixture[str]
) -> None:
    content_type, body, status, message = INVALID[case]
    response = invoke(app.url, content_type, body)
    assert response.status_code == status
    error = response.json()
    assert set(error) == {"error_code", "message", "request_id"}
    assert message in error["message"]
    assert response.headers["X-Request-ID"] == error["request_id"]
    line = app.log_line_of(response)
    assert (line["status"], line["error"]) == (status, error["error_code"])
    for text in (response.text, app.log.read_text(), *capfd.readouterr()):
        assert not SENT_TEXTS.search(text)


def test_a_row_gets_the_same_score_alone_and_in_a_batch(app: ServeApp) -> None:
    in_batch = invoke(app.url, JSON, records_body(*ROWS)).json()["predictions"]
    for i, (row, expected) in enumerate(zip(ROWS, in_batch, strict=True)):
        alone = FRAME[i : i + 1]
        for content_type, body in (
            (JSON, records_body(row)),
            (CSV, alone.to_csv(index=False)),
            (PARQUET, parquet_body(alone)),
        ):
            response = invoke(app.url, content_type, body)
            assert response.status_code == 200, (content_type, response.text)
            np.testing.assert_allclose(response.json()["predictions"], [expected], rtol=1e-12)


@pytest.mark.parametrize(
    ("path", "alias"),
    [("", "champion"), ("/champion", "champion"), ("/challenger", "challenger")],
)
def test_each_alias_serves_its_version_and_reports_it(
    path: str, alias: str, app: ServeApp, trained: TrainedStore
) -> None:
    version = trained.version(alias)
    response = invoke(app.url + path, JSON, records_body(*ROWS))
    assert response.headers["X-Model-Version"] == version.model_id
    assert response.headers["X-Logged-Model-Id"] == version.logged_model_id
    expected = mlflow.pyfunc.load_model(version.uri).predict(FRAME)
    np.testing.assert_allclose(response.json()["predictions"], expected, rtol=1e-12)
    model = app.model(path.strip("/"))
    assert (model["alias"], model["model_version"]) == (alias, version.model_id)
    assert model["threshold"] == version.threshold
    assert model["uses_scorecard"] == (alias == "champion")  # the challenger has none
    assert model["run_id"]
    assert "apr" in model["signature"]["inputs"]
    assert model["refused"] is None


def test_a_requested_version_responds_or_none_does(app: ServeApp, trained: TrainedStore) -> None:
    challenger = trained.version("challenger").model_id
    body = records_body(ROWS[0])
    response = invoke(app.url, JSON, body, **{"X-Model-Version": challenger})
    assert response.headers["X-Model-Version"] == challenger
    response = invoke(app.url, JSON, body, **{"X-Model-Version": "offer-click/99"})
    assert response.status_code == 412
    assert f"champion is {trained.champion_id}." in response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/invocations", 405),
        ("POST", "/nobody/invocations", 404),
        ("GET", "/nobody/model", 404),
        ("DELETE", "/model", 405),
    ],
)
def test_routing_errors_have_the_same_format(
    method: str, path: str, status: int, app: ServeApp
) -> None:
    response = requests.request(method, app.url + path, timeout=60)
    assert response.status_code == status
    assert set(response.json()) == {"error_code", "message", "request_id"}


def test_the_client_scores_a_whole_table(
    app: ServeApp, small_database: str, small_offers: int, trained: TrainedStore
) -> None:
    assert score(small_database, app.url, "--batch-size", 200) == 0
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)


def test_the_client_stops_if_its_version_is_not_served(
    app: ServeApp, small_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(small_database, app.url, "--model", "models:/offer-click/3") == 4
    assert "answered 412" in capsys.readouterr().err
    assert count_scored(small_database) == 0

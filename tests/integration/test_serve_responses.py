"""What serve.py answers to requests for scores, by its application in a thread of this process."""

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
from tests.support.serve_requests import REFUSED, SCORED, SENT_TEXTS
from tests.support.trained import TrainedStore

pytestmark = pytest.mark.filterwarnings("ignore")  # as in serve.py's workers


@pytest.fixture(scope="module")
def app(trained: TrainedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeApp]:
    """The application with the champion and the challenger."""
    folder = tmp_path_factory.mktemp("app")
    with serve_app(trained.tracking_uri, folder, aliases=("champion", "challenger")) as app:
        yield app


@pytest.mark.parametrize("case", SCORED)
def test_it_answers_what_mlflow_s_own_server_answers(
    case: str, app: ServeApp, champion: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = invoke(app.url, *SCORED[case]), invoke(champion, *SCORED[case])
    assert (ours.status_code, theirs.status_code) == (200, 200)
    assert ours.headers["Content-Type"] == theirs.headers["Content-Type"]
    np.testing.assert_allclose(
        ours.json()["predictions"], theirs.json()["predictions"], rtol=1e-12, atol=0
    )
    line = app.log_line_of(ours)
    assert (line["status"], line["rows"]) == (200, len(ours.json()["predictions"]))
    for text in (app.log.read_text(), caplog.text):
        assert not SENT_TEXTS.search(text)


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses_in_one_shape_with_a_reason_and_without_what_was_sent(
    case: str, app: ServeApp, capfd: pytest.CaptureFixture[str]
) -> None:
    content_type, body, status, reason = REFUSED[case]
    response = invoke(app.url, content_type, body)
    assert response.status_code == status
    error = response.json()
    assert set(error) == {"error_code", "message", "request_id"}
    assert reason in error["message"]
    assert response.headers["X-Request-ID"] == error["request_id"]
    line = app.log_line_of(response)
    assert (line["status"], line["error"]) == (status, error["error_code"])
    for text in (response.text, app.log.read_text(), *capfd.readouterr()):
        assert not SENT_TEXTS.search(text)


def test_every_row_scores_the_same_alone_and_in_any_batch(app: ServeApp) -> None:
    together = invoke(app.url, JSON, records_body(*ROWS)).json()["predictions"]
    for at, (row, expected) in enumerate(zip(ROWS, together, strict=True)):
        alone = FRAME[at : at + 1]
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
def test_each_alias_is_answered_by_its_version_which_says_so(
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
    assert model["run_id"]
    assert "apr" in model["signature"]["inputs"]
    assert model["refused"] is None


def test_a_version_answers_whoever_names_it_and_no_other_in_its_place(
    app: ServeApp, trained: TrainedStore
) -> None:
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
def test_what_it_does_not_serve_is_refused_in_the_same_shape(
    method: str, path: str, status: int, app: ServeApp
) -> None:
    response = requests.request(method, app.url + path, timeout=60)
    assert response.status_code == status
    assert set(response.json()) == {"error_code", "message", "request_id"}


def test_the_client_scores_a_whole_table_through_it(
    app: ServeApp, small_database: str, small_offers: int, trained: TrainedStore
) -> None:
    assert score(small_database, app.url, "--batch-size", 200) == 0
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)


def test_the_client_stops_when_another_version_answers(
    app: ServeApp, small_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(small_database, app.url, "--model", "models:/offer-click/3") == 4
    assert "answered 412" in capsys.readouterr().err
    assert count_scored(small_database) == 0

"""An endpoint that serves another version: its answers are not stored; the client can wait."""

import pytest

from scoring import backoff
from tests.support.databases import assert_every_offer_scored_once, count_scored, query
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward
from tests.support.trained import TrainedStore


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.05)


def test_answers_of_another_version_are_not_stored(
    small_database: str, challenger: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score(small_database, challenger) == 4
    assert "does not answer as offer-click/" in capfd.readouterr().err
    assert count_scored(small_database) == 0
    assert query(small_database, "SELECT outcome FROM scoring_runs") == [("failed",)]


def test_a_run_ends_if_the_endpoint_switches_to_another_version(
    small_database: str, champion: str, challenger: str, endpoint: ScriptedEndpoint
) -> None:
    def switch_version(request: Request) -> Response:
        return forward(champion if request.number <= 3 else challenger, request.body)

    endpoint.script = switch_version
    assert score(small_database, endpoint.url, "--batch-size", 100) == 4
    assert count_scored(small_database) == 300


def test_the_client_waits_for_its_version_with_wait_for_version(
    small_database: str,
    trained: TrainedStore,
    champion: str,
    challenger: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
) -> None:
    def serve_another_version_for_a_while(request: Request) -> Response:
        other = 3 <= request.number <= 6
        return forward(challenger if other else champion, request.body)

    endpoint.script = serve_another_version_for_a_while
    flags = ("--wait-for-version", 60, "--batch-size", 120)
    assert score(small_database, endpoint.url, *flags) == 0
    assert_every_offer_scored_once(small_database, trained.champion_id, small_offers)


def test_the_client_waits_no_longer_than_wait_for_version(
    small_database: str, challenger: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score(small_database, challenger, "--wait-for-version", 0.5, "--max-wait", 0) == 4
    error = capfd.readouterr().err
    assert error.count("Trying again") == 1
    assert "does not answer as" in error.splitlines()[-1]
    assert count_scored(small_database) == 0


@pytest.mark.parametrize("header", ["X-Model-Version", "X-Logged-Model-Id"])
def test_correct_answers_with_another_version_in_the_header_are_not_stored(
    header: str,
    small_database: str,
    champion: str,
    endpoint: ScriptedEndpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def with_other_header(request: Request) -> Response:
        return forward(champion, request.body)._replace(headers={header: "offer-click/9"})

    endpoint.script = with_other_header
    assert score(small_database, endpoint.url) == 4
    assert "answered as offer-click/9, not as" in capfd.readouterr().err
    assert count_scored(small_database) == 0
    endpoint.script = lambda request: forward(champion, request.body)
    assert score(small_database, endpoint.url, "--limit", 100) == 0
    assert count_scored(small_database) == 100

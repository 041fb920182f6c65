"""A running client renews its lease, and misses no row if it loses its claims."""

import pytest

import problems
from db import claims, results
from db.engine import database_url, open_database
from db.runs import ScoringRun
from tests.support.databases import assert_scored_once_and_nothing_claimed, execute, query
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward
from tests.support.trained import TrainedStore
from tests.support.waiting import wait_for

SCORING = problems.load().scoring
BATCH = 50


def test_a_client_that_lost_its_claims_reads_the_rows_again(
    small_databases: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
) -> None:
    def script(request: Request) -> Response:
        if request.number == 3:
            execute(small_databases, "DELETE FROM claims")
        return forward(champion, request.body)

    endpoint.script = script
    version = trained.version()
    assert score(small_databases, endpoint.url, "--batch-size", BATCH) == 0
    canaries = len(version.canary.rows)
    sent_rows = sum(request.rows.num_rows - canaries for request in endpoint.requests)
    assert sent_rows > small_offers
    assert_scored_once_and_nothing_claimed(small_databases, version.model_id, small_offers)


def test_a_claim_whose_rows_never_reached_the_client_is_deleted_at_the_end(
    small_databases: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
) -> None:
    ((middle_key,),) = query(
        small_databases,
        f"SELECT offer_id FROM offers ORDER BY 1 LIMIT 1 OFFSET {small_offers // 2}",
    )

    def script(request: Request) -> Response:
        if request.number == 1:  # as if the connection broke while a claim is committed
            ((number, model_id),) = query(small_databases, "SELECT id, model_id FROM scoring_runs")
            run = ScoringRun(number, model_id)
            with open_database(database_url(small_databases)) as engine:
                lost_page = results.claim_page(engine, SCORING, run, middle_key, 150)
            assert len(lost_page) == 150
        return forward(champion, request.body)

    endpoint.script = script
    assert score(small_databases, endpoint.url, "--batch-size", BATCH) == 0
    assert_scored_once_and_nothing_claimed(small_databases, trained.champion_id, small_offers)


def test_a_running_client_renews_its_lease(
    small_databases: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "LEASE_SECONDS", 0.2)

    def seen_at() -> object:
        ((moment,),) = query(small_databases, "SELECT seen_at FROM scoring_runs")
        return moment

    def script(request: Request) -> Response:
        before = seen_at()
        wait_for(lambda: seen_at() != before, "the lease to be renewed")
        return forward(champion, request.body)

    endpoint.script = script
    assert score(small_databases, endpoint.url, "--batch-size", 700, "--in-flight", 1) == 0
    assert len(endpoint.requests) > 1
    assert_scored_once_and_nothing_claimed(small_databases, trained.champion_id, small_offers)

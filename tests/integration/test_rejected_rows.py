"""Rows that the server refuses with 400 are found by halving, stored as rejected, and replayed."""

import json
from collections.abc import Callable

import pyarrow.compute as pc
import pytest

from tests.support.databases import (
    all_rows,
    assert_every_offer_scored_once,
    count_scored,
    query,
)
from tests.support.scoring import score
from tests.support.scripted_endpoint import Request, Response, ScriptedEndpoint, forward
from tests.support.trained import TrainedStore

REFUSED = "large_purchases"  # of no canary row
BAD_AMOUNTS = (
    "SELECT count(*) FROM offers JOIN leads USING (lead_uuid) "
    "WHERE requested / {0} = CAST(requested / {0} AS INT)"
)


def test_rows_that_the_server_refuses_are_rejected_and_the_others_scored(
    small_database: str, champion: str, small_offers: int, endpoint: ScriptedEndpoint
) -> None:
    def refuse_one_purpose(request: Request) -> Response:
        if pc.any(pc.equal(request.rows["loan_purpose"], REFUSED)).as_py():
            echo = "Failed to predict data 'requested ... 4242'. \nError: No such loan for '4242'."
            return Response(400, "application/json", json.dumps({"message": echo}).encode())
        return forward(champion, request.body)

    endpoint.script = refuse_one_purpose
    flags = ("--batch-size", 200, "--max-rejected", 0.1)
    assert score(small_database, endpoint.url, *flags) == 0
    ((refused,),) = query(
        small_database,
        "SELECT count(*) FROM offers JOIN leads USING (lead_uuid) "
        f"WHERE loan_purpose = '{REFUSED}'",
    )
    assert refused > 10
    reasons = "SELECT reason, count(*) FROM results_clicked_rejected GROUP BY reason"
    assert query(small_database, reasons) == [("No such loan for '…'", refused)]
    assert count_scored(small_database) == small_offers - refused
    assert query(small_database, "SELECT stored, rejected FROM scoring_runs") == [
        (small_offers - refused, refused)
    ]


@pytest.fixture
def refuse_multiples(
    trained: TrainedStore, champion: str, endpoint: ScriptedEndpoint
) -> Callable[[int], None]:
    """Make the endpoint refuse rows whose requested amount is a multiple of a number."""
    version = trained.version()
    requested = version.features.index("requested")
    canaries = set(map(tuple, version.canary.rows))

    def refuse_multiples_of(divisor: int) -> None:
        def script(request: Request) -> Response:
            rows = set(zip(*request.rows.to_pydict().values(), strict=True)) - canaries
            amounts = [row[requested] for row in rows]
            if any(amount is not None and amount % divisor == 0 for amount in amounts):
                return Response(
                    400, "application/json", b'{"message": "x\\nError: no such amount"}'
                )
            return forward(champion, request.body)

        endpoint.script = script

    return refuse_multiples_of


def test_400_on_more_rows_than_max_rejected_stops_early(
    small_database: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
    refuse_multiples: Callable[[int], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    refuse_multiples(1_000)
    ((bad,),) = query(small_database, BAD_AMOUNTS.format(1_000))
    share = 20.5 / small_offers
    assert score(small_database, endpoint.url, "--max-rejected", share) == 5
    assert bad > 100
    output = capfd.readouterr()
    assert "21 rows: no such amount" in output.err
    assert "no such amount" in output.out
    assert query(small_database, "SELECT count(*) FROM results_clicked_rejected") == [(21,)]
    assert query(small_database, "SELECT outcome, rejected FROM scoring_runs") == [("failed", 21)]


def test_replay_scores_the_rejected_rows_again(
    small_databases: str,
    trained: TrainedStore,
    champion: str,
    small_offers: int,
    endpoint: ScriptedEndpoint,
    refuse_multiples: Callable[[int], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    divisor = 7_000
    refuse_multiples(divisor)
    ((bad,),) = query(small_databases, BAD_AMOUNTS.format(divisor))
    assert 0 < bad < small_offers / 10
    assert score(small_databases, endpoint.url, "--max-rejected", 0.1) == 0
    assert count_scored(small_databases) == small_offers - bad
    capfd.readouterr()
    assert score(small_databases, "http://127.0.0.1:9", "--replay", "--dry-run") == 0
    words = capfd.readouterr().out.split()
    at = words.index(f"{small_offers - bad:,}")
    # rejected, pending, would be scored, requests
    assert words[at + 1 : at + 5] == [f"{bad}", "0", f"{bad}", "1"]
    assert score(small_databases, champion) == 0  # without --replay they stay rejected
    assert count_scored(small_databases) == small_offers - bad
    assert score(small_databases, champion, "--replay") == 0
    assert_every_offer_scored_once(small_databases, trained.champion_id, small_offers)
    assert query(small_databases, "SELECT count(*) FROM results_clicked_rejected") == [(0,)]


def test_dry_run_shows_what_would_be_scored_and_does_nothing(
    small_database: str, endpoint: ScriptedEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    before = all_rows(small_database)
    flags = ("--dry-run", "--limit", 1_000, "--batch-size", 400)
    assert score(small_database, endpoint.url, *flags) == 0
    assert capfd.readouterr().out.split()[-2:] == ["1,000", "3"]
    assert not endpoint.requests
    assert all_rows(small_database) == before

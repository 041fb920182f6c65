"""Rows that the server refuses with 400: found by halving, set aside, scored again, counted."""

import json
from collections.abc import Callable

import pyarrow.compute as pc
import pytest
from sqlalchemy import inspect

from db.engine import database_url, opened
from tests.helpers import (
    SAMPLE_OFFERS,
    Trained,
    assert_every_offer_once,
    champion_id,
    champion_version,
    query,
    score,
    stored,
)
from tests.misbehaving import Answer, Misbehaving, Request, relay


def test_rows_that_the_server_refuses_are_rejected_and_the_others_scored(
    loaded: str, champion: str, misbehaving: Misbehaving
) -> None:
    def refuse_weddings(request: Request) -> Answer:
        purposes = request.rows["loan_purpose"]
        if pc.any(pc.equal(purposes, "wedding")).as_py():
            echo = "Failed to predict data 'requested ... 4242'. \nError: No weddings for '4242'."
            return Answer(400, "application/json", json.dumps({"message": echo}).encode())
        return relay(champion, request.body)

    misbehaving.script = refuse_weddings
    assert score(loaded, misbehaving.url, "--batch-size", 5000) == 0
    ((weddings,),) = query(
        loaded,
        "SELECT count(*) FROM offers JOIN leads USING (lead_uuid) WHERE loan_purpose = 'wedding'",
    )
    assert weddings > 10
    rejected = query(
        loaded,
        "SELECT reason, count(*) FROM results_clicked_rejected GROUP BY reason",
    )
    assert rejected == [("No weddings for '…'", weddings)]
    assert stored(loaded) == SAMPLE_OFFERS - weddings
    assert query(loaded, "SELECT stored, rejected FROM scoring_runs") == [
        (SAMPLE_OFFERS - weddings, weddings)
    ]


@pytest.fixture
def poison(trained: Trained, champion: str, misbehaving: Misbehaving) -> Callable[[int], None]:
    """Makes the endpoint refuse rows whose requested amount can be divided by a number."""
    canaries = len(champion_version(trained).canary.rows)

    def refuse_multiples(of: int) -> None:
        def script(request: Request) -> Answer:
            amounts = request.rows["requested"].to_pylist()[canaries:]
            if any(amount is not None and amount % of == 0 for amount in amounts):
                return Answer(400, "application/json", b'{"message": "x\\nError: no such amount"}')
            return relay(champion, request.body)

        misbehaving.script = script

    return refuse_multiples


BAD_AMOUNTS = (
    "SELECT count(*) FROM offers JOIN leads USING (lead_uuid) "
    "WHERE requested / {0} = CAST(requested / {0} AS INT)"
)


def test_400_on_more_rows_than_max_rejected_stops_early(
    loaded: str,
    misbehaving: Misbehaving,
    poison: Callable[[int], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    poison(1000)
    ((bad,),) = query(loaded, BAD_AMOUNTS.format(1000))
    share = 20.5 / SAMPLE_OFFERS
    assert score(loaded, misbehaving.url, "--max-rejected", share) == 5
    assert bad > 100
    output = capfd.readouterr()
    assert "21 for: no such amount" in output.err
    assert "no such amount" in output.out
    assert query(loaded, "SELECT count(*) FROM results_clicked_rejected") == [(21,)]
    assert query(loaded, "SELECT outcome, rejected FROM scoring_runs") == [("failed", 21)]


def test_replay_scores_the_rejected_rows_again(
    loaded: str,
    trained: Trained,
    champion: str,
    misbehaving: Misbehaving,
    poison: Callable[[int], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    poison(17_000)
    ((bad,),) = query(loaded, BAD_AMOUNTS.format(17_000))
    assert 0 < bad < SAMPLE_OFFERS / 100
    assert score(loaded, misbehaving.url) == 0
    assert stored(loaded) == SAMPLE_OFFERS - bad
    capfd.readouterr()
    assert score(loaded, "http://127.0.0.1:9", "--replay", "--dry-run") == 0
    shown = capfd.readouterr().out.split()
    at = shown.index(f"{SAMPLE_OFFERS - bad:,}")
    assert shown[at + 1 : at + 5] == [f"{bad}", "0", f"{bad}", "1"]
    assert score(loaded, champion) == 0  # without --replay they stay as they are
    assert stored(loaded) == SAMPLE_OFFERS - bad
    assert score(loaded, champion, "--replay") == 0
    assert_every_offer_once(loaded, champion_id(trained))
    assert query(loaded, "SELECT count(*) FROM results_clicked_rejected") == [(0,)]


def contents(database: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with opened(database_url(database)) as engine:
        tables = inspect(engine).get_table_names()
    return {table: sorted(query(database, f"SELECT * FROM {table}"), key=str) for table in tables}


def test_dry_run_shows_what_would_be_scored_and_does_nothing(
    loaded: str, misbehaving: Misbehaving, capfd: pytest.CaptureFixture[str]
) -> None:
    before = contents(loaded)
    flags = ("--dry-run", "--limit", 25_000, "--batch-size", 10_000)
    assert score(loaded, misbehaving.url, *flags) == 0
    assert capfd.readouterr().out.split()[-2:] == ["25,000", "3"]
    assert not misbehaving.requests
    assert contents(loaded) == before

"""Several scoring clients on one table divide the work, and take over what one of them leaves.

`make test` kills clients 4 times while another one scores, `make soak` 50 times.
"""

import contextlib
import os
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    MetaData,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

import problems
from db import claims, results, runs
from db import engine as db_engine
from db.engine import database_url, may_pass, opened
from db.results import Page
from db.runs import Run
from db.schema import create_tables
from db.tables import scoring_runs, utc_now
from serving.pace import Limits
from tests import helpers
from tests.helpers import (
    SAMPLE_OFFERS,
    Trained,
    champion_version,
    execute,
    new_postgres_database,
    query,
    score,
    started_script,
    stored,
    wait_for,
)
from tests.misbehaving import Answer, Misbehaving, Request, misbehaving_server, relay

KILLS = int(os.environ.get("SOAK_SHARING_KILLS", "4"))
SCORING = problems.load().scoring
BATCH = 1_000
SECONDS_A_KILL = 4


@pytest.fixture
def engine(loaded: str) -> Iterator[Engine]:
    with opened(database_url(loaded)) as found:
        yield found


@contextlib.contextmanager
def relays(endpoint: str, number: int) -> Iterator[list[Misbehaving]]:
    """Endpoints in front of a real one, which remember what they were asked."""
    with ExitStack() as stack:
        found = [stack.enter_context(misbehaving_server()) for _ in range(number)]
        for server in found:
            server.script = lambda request: relay(endpoint, request.body)
        yield found


def rows_sent(server: Misbehaving, canaries: int) -> int:
    return sum(request.rows.num_rows - canaries for request in server.requests)


def client(
    database: str, endpoint: str, trained: Trained
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    flags = ("--database", database, "--endpoint", endpoint, "--batch-size", BATCH)
    folder = trained.folder
    return started_script(
        "score_client.py", *flags, cwd=folder, MLFLOW_TRACKING_URI=trained.tracking_uri
    )


def outcomes(database: str) -> list[tuple[str, int]]:
    return query(database, "SELECT outcome, stored FROM scoring_runs ORDER BY id")


def assert_every_offer_once(database: str, model_id: str) -> None:
    """Each has one result and no other, and nothing is claimed any more."""
    helpers.assert_every_offer_once(database, model_id)
    for table in ("results_clicked_rejected", "claims"):
        assert query(database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_two_clients_divide_the_rows_and_send_none_twice(
    loaded: str, trained: Trained, champion: str
) -> None:
    version = champion_version(trained)
    canaries = len(version.canary.rows)
    with (
        relays(champion, 2) as servers,
        client(loaded, servers[0].url, trained) as one,
        client(loaded, servers[1].url, trained) as other,
    ):
        for process in (one, other):
            output, error = process.communicate()
            assert process.returncode == 0, error
            assert f"{SAMPLE_OFFERS:,}" in output
        sent = [rows_sent(server, canaries) for server in servers]
    assert sum(sent) == SAMPLE_OFFERS
    assert min(sent) > 0
    assert sorted(outcomes(loaded)) == sorted(("finished", rows) for rows in sent)
    assert_every_offer_once(loaded, version.model_id)


def test_clients_killed_at_random_leave_every_row_once(
    loaded: str, trained: Trained, champion: str
) -> None:
    chance = random.Random(int(os.environ.get("SOAK_SEED", "8")))
    goals = sorted(chance.sample(range(SAMPLE_OFFERS * 9 // 10), KILLS))
    # so slow that the table lasts some seconds a kill, in which a client starts again
    seconds = SECONDS_A_KILL * KILLS * 2 * Limits.in_flight * BATCH / SAMPLE_OFFERS

    def slowly(request: Request) -> Answer:
        threading.Event().wait(seconds)
        return relay(champion, request.body)

    def reached(goal: int) -> bool:
        return stored(loaded) >= goal

    with ExitStack() as stack:
        (server,) = stack.enter_context(relays(champion, 1))
        server.script = slowly

        def another() -> subprocess.Popen[str]:
            return stack.enter_context(client(loaded, server.url, trained))

        pair = [another(), another()]
        for goal in goals:
            wait_for(partial(reached, goal), f"{goal:,} rows to be stored")
            which = chance.randrange(2)
            pair[which].kill()
            pair[which].communicate()  # else it counts as running
            pair[which] = another()
        for process in pair:
            _, error = process.communicate()
            assert process.returncode == 0, error
    at_work = [outcome for outcome, _ in outcomes(loaded)].count("running")
    assert KILLS / 2 <= at_work <= KILLS
    assert_every_offer_once(loaded, champion_version(trained).model_id)


def claimed_elsewhere(engine: Engine, trained: Trained) -> tuple[Run, Page]:
    """A run on another machine that has claimed the first rows, and was just heard of."""
    version = champion_version(trained)
    runs.remember_version(
        engine, version.model_id, version.logged_model_id, version.registry, version.threshold
    )
    run = runs.start_run(engine, version.model_id, "http://elsewhere:5001")
    with engine.begin() as connection:
        connection.execute(
            update(scoring_runs).where(scoring_runs.c.id == run.id).values(host="elsewhere")
        )
    page = results.claim_page(engine, SCORING, run, None, 5_000)
    assert len(page) == 5_000
    return run, page


def silent_for(engine: Engine, run: Run, seconds: float) -> None:
    with engine.begin() as connection:
        seen = runs.now(connection) - timedelta(seconds=seconds)
        of_run = update(scoring_runs).where(scoring_runs.c.id == run.id)
        connection.execute(of_run.values(seen_at=seen))


def test_what_another_machine_claimed_is_waited_for_and_taken_over_when_it_is_silent(
    loaded: str, engine: Engine, trained: Trained, champion: str
) -> None:
    away, _ = claimed_elsewhere(engine, trained)
    with client(loaded, champion, trained) as process:
        assert process.stderr
        while "Other clients have claimed the last rows" not in process.stderr.readline():
            assert process.poll() is None
        counts = results.reconcile(engine, SCORING, away.model_id)
        assert counts.pending == 5_000
        silent_for(engine, away, claims.LEASE_SECONDS + 1)
        process.communicate()
        assert process.returncode == 0
    assert_every_offer_once(loaded, away.model_id)


def test_who_lost_its_claims_stores_nothing_by_them(
    loaded: str, engine: Engine, trained: Trained
) -> None:
    away, page = claimed_elsewhere(engine, trained)
    silent_for(engine, away, claims.LEASE_SECONDS + 1)
    here = runs.start_run(engine, away.model_id, "http://here:5001")
    taken = results.claim_page(engine, SCORING, here, None, 100_000)
    assert len(taken) == SAMPLE_OFFERS
    scored = results.Scored(page, [0.5] * 5_000, ["Clicked"] * 5_000, [None] * 5_000)
    assert not results.store(engine, SCORING, away, scored)
    assert not results.store_rejected(engine, SCORING, away, page, "for no reason")
    counts = results.reconcile(engine, SCORING, away.model_id)
    assert (counts.scored, counts.rejected) == (0, 0)
    rows = len(taken)
    scored = results.Scored(taken, [0.5] * rows, ["Clicked"] * rows, [None] * rows)
    assert results.store(engine, SCORING, here, scored)
    assert_every_offer_once(loaded, away.model_id)


def test_who_stops_in_the_middle_of_a_transaction_keeps_nobody_waiting(
    postgres: str, trained: Trained, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    database = new_postgres_database(postgres)
    trained.load_into(database)
    monkeypatch.setattr(db_engine, "IDLE_SECONDS", 3)
    with opened(database_url(database)) as engine:
        away, page = claimed_elsewhere(engine, trained)
        silent_for(engine, away, claims.LEASE_SECONDS + 1)
        with engine.connect() as stopped:
            assert page.claim
            assert claims.stands(stopped, page.claim)  # and holds its lock
            assert score(database, champion) == 0
            with pytest.raises(DBAPIError) as ended:
                stopped.scalar(select(1))
        assert may_pass(ended.value)
    assert_every_offer_once(database, away.model_id)


def test_a_client_that_stalls_reads_again_what_it_lost(
    loaded: str, trained: Trained, champion: str, misbehaving: Misbehaving
) -> None:

    def script(request: Request) -> Answer:
        if request.number == 3:
            execute(loaded, "DELETE FROM claims")
        return relay(champion, request.body)

    misbehaving.script = script
    version = champion_version(trained)
    assert score(loaded, misbehaving.url, "--batch-size", BATCH) == 0
    assert rows_sent(misbehaving, len(version.canary.rows)) > SAMPLE_OFFERS
    assert_every_offer_once(loaded, version.model_id)


def test_a_claim_whose_rows_never_came_is_let_go_at_the_end(
    loaded: str, engine: Engine, trained: Trained, champion: str, misbehaving: Misbehaving
) -> None:
    def script(request: Request) -> Answer:
        if request.number == 1:  # as when the connection breaks while a claim is committed
            ((number, model_id),) = query(loaded, "SELECT id, model_id FROM scoring_runs")
            lost = results.claim_page(engine, SCORING, Run(number, model_id), 30_000, 2_000)
            assert len(lost) == 2_000
        return relay(champion, request.body)

    misbehaving.script = script
    assert score(loaded, misbehaving.url, "--batch-size", BATCH) == 0
    assert_every_offer_once(loaded, champion_version(trained).model_id)


def test_a_run_at_work_says_so_again_and_again(
    loaded: str,
    trained: Trained,
    champion: str,
    misbehaving: Misbehaving,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "LEASE_SECONDS", 0.4)

    def seen_at() -> object:
        ((found,),) = query(loaded, "SELECT seen_at FROM scoring_runs")
        return found

    def script(request: Request) -> Answer:
        before = seen_at()
        wait_for(lambda: seen_at() != before, "another sign of life")
        return relay(champion, request.body)

    misbehaving.script = script
    assert score(loaded, misbehaving.url, "--batch-size", 20_000, "--in-flight", 1) == 0
    assert_every_offer_once(loaded, champion_version(trained).model_id)


def test_max_rejected_counts_what_the_version_rejected_whoever_asked_it(
    loaded: str,
    engine: Engine,
    trained: Trained,
    champion: str,
    misbehaving: Misbehaving,
    capsys: pytest.CaptureFixture[str],
) -> None:
    away, _ = claimed_elsewhere(engine, trained)
    part = results.claim_page(engine, SCORING, away, None, 400)
    refused: list[Callable[[], bool]] = [
        lambda: results.store_rejected(engine, SCORING, away, part, "by another")
    ]

    def script(request: Request) -> Answer:
        if refused:
            assert refused.pop()()
        rows = request.rows
        if rows.num_rows > len(champion_version(trained).canary.rows):
            return Answer(400, "application/json", b'{"message": "x\\nError: no"}')
        return relay(champion, request.body)

    misbehaving.script = script
    assert score(loaded, misbehaving.url, "--batch-size", 1, "--max-rejected", 0.009) == 5
    rejected = results.rejected(engine, SCORING, away.model_id)
    assert rejected == int(0.009 * SAMPLE_OFFERS) + 1
    assert "rejects more rows than --max-rejected allows" in capsys.readouterr().err


def test_a_claim_on_timestamps_leaves_them_out(database: str) -> None:
    moments = [utc_now() + timedelta(days=day) for day in range(5)]
    events = Table("events", MetaData(), Column("at", DateTime, primary_key=True))
    with opened(database_url(database), create=True) as engine:
        with engine.begin() as connection:
            create_tables(connection, events.metadata)
            connection.execute(insert(events), [{"at": moment} for moment in moments])
        runs.remember_version(engine, "events/1", "m-1", "here", 0.5)
        run = runs.start_run(engine, "events/1", "http://here:5001")
        with engine.begin() as connection:
            claims.claim(connection, run, moments[1:3])
            taken = claims.look(connection, run).standing
            free = select(events.c.at).where(*claims.free(events.c.at, taken))
            assert connection.scalars(free).all() == [moments[0], *moments[3:]]

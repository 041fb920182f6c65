"""Killing the client and a real server at random moments loses no row and scores none twice.

`make test` kills the client 5 times and the server twice, on SQLite; `make soak` 50 and 10 times,
on PostgreSQL as well.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from sqlalchemy import Engine, text

import problems
from db.engine import database_url, open_database
from scoring import backoff
from scoring.local_server import free_port
from tests.support.databases import query
from tests.support.project import SAMPLE_OFFERS
from tests.support.scoring import score
from tests.support.scripts import start_script
from tests.support.servers import run_server
from tests.support.trained import TrainedStore
from tests.support.waiting import DEADLINE_SECONDS, wait_for
from training import dataset

CLIENT_KILLS = int(os.environ.get("SOAK_CLIENT_KILLS", "5"))
SERVER_KILLS = int(os.environ.get("SOAK_SERVER_KILLS", "2"))
SEED = int(os.environ.get("SOAK_SEED", "4"))
KINDS = ["sqlite", "postgresql"] if "SOAK_CLIENT_KILLS" in os.environ else ["sqlite"]
# so small that a client works for many seconds, and is killed before it has scored all rows
BATCH = 25
SHARE = SAMPLE_OFFERS // 20 // max(CLIENT_KILLS, 10)


def stored_rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM results_clicked")).scalar_one()


def wait_until_stored(engine: Engine, rows: int) -> None:
    wait_for(lambda: stored_rows(engine) >= rows, f"{rows:,} rows to be stored")


@contextlib.contextmanager
def served_champion(trained: TrainedStore, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real `mlflow models serve` with the champion; yields its process."""
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["-m", "models:/offer-click@champion", "-p", str(port)]
    environment = {"MLFLOW_TRACKING_URI": trained.tracking_uri}

    def is_up() -> bool:
        return requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok

    log = trained.folder / "soak.log"
    with run_server(command, log, is_up, environment=environment) as process:
        yield process


@contextlib.contextmanager
def server_that_is_killed(
    engine: Engine, trained: TrainedStore, chance: random.Random
) -> Iterator[str]:
    """Run a server that is killed and restarted after random numbers of stored rows."""
    port, over = free_port(), threading.Event()
    goals = sorted(chance.sample(range(BATCH, SAMPLE_OFFERS * 9 // 10), SERVER_KILLS))
    reached: list[int] = []

    def serve_and_kill() -> None:
        for goal in goals:
            with served_champion(trained, port) as process:
                while stored_rows(engine) < goal:  # until the clients have stored them
                    if over.wait(0.01):
                        return
                os.killpg(process.pid, signal.SIGKILL)
            reached.append(goal)
        with served_champion(trained, port):
            over.wait()

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(serve_and_kill)
        try:
            yield f"http://127.0.0.1:{port}"
            wait_for(lambda: reached == goals, f"the server to be killed at {goals} rows")
        finally:
            over.set()
            served.result()


def kill_clients(
    database: str, endpoint: str, trained: TrainedStore, engine: Engine, chance: random.Random
) -> int:
    """Start and kill clients one after another, and return how many had started a run.

    One in five is killed while it starts, and the others after they have stored rows.
    """
    begun_runs = 0
    flags = ("--database", database, "--endpoint", endpoint, "--batch-size", BATCH)
    waits = ("--max-wait", DEADLINE_SECONDS)
    starting = set(chance.sample(range(CLIENT_KILLS), CLIENT_KILLS // 5))
    for number in range(CLIENT_KILLS):
        before = stored_rows(engine)
        with start_script(
            "score_client.py",
            *flags,
            *waits,
            cwd=trained.folder,
            MLFLOW_TRACKING_URI=trained.tracking_uri,
        ) as client:
            if number in starting:
                threading.Event().wait(chance.uniform(0, 1))
            else:
                goal = before + chance.randint(1, 12) * SHARE
                wait_until_stored(engine, goal)
                threading.Event().wait(chance.uniform(0, 0.05))
            assert client.poll() is None
            client.kill()
            client.wait()
            query_runs = f"SELECT count(*) FROM scoring_runs WHERE pid = {client.pid}"
            ((begun,),) = query(database, query_runs)
            assert begun == 1 or number in starting
            begun_runs += begun
    return begun_runs


@pytest.mark.parametrize("sample_databases", KINDS, indirect=True)
def test_killing_client_and_server_at_random_loses_and_duplicates_no_row(
    sample_databases: str, trained: TrainedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "LONGEST_WAIT", 1.0)
    chance = random.Random(SEED)
    with (
        open_database(database_url(sample_databases)) as engine,
        server_that_is_killed(engine, trained, chance) as endpoint,
    ):
        begun_runs = kill_clients(sample_databases, endpoint, trained, engine, chance)
        flags = ("--batch-size", 500, "--max-wait", DEADLINE_SECONDS)
        assert score(sample_databases, endpoint, *flags) == 0
        assert_scored_as_in_one_process(engine, trained)
    outcomes = query(sample_databases, "SELECT outcome FROM scoring_runs")
    assert Counter(outcome for (outcome,) in outcomes) == {"running": begun_runs, "finished": 1}
    assert begun_runs >= CLIENT_KILLS - CLIENT_KILLS // 5


def assert_scored_as_in_one_process(engine: Engine, trained: TrainedStore) -> None:
    problem, version = problems.load(), trained.version()
    data = dataset.read(engine, problem)
    model = mlflow.pyfunc.load_model(version.uri)
    expected = model.predict(data.raw[problem.feature_names])[:, 1]
    results = pd.read_sql("SELECT * FROM results_clicked ORDER BY offer_id", engine)
    assert results["offer_id"].tolist() == data.raw["offer_id"].tolist()
    assert set(results["model_id"]) == {version.model_id}
    np.testing.assert_allclose(results["click_probability"], expected, rtol=1e-9, atol=0)

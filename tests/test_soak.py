"""Kills without end: the client and a real server die at random moments, and no row is lost.

`make test` kills the client 5 times and the server twice, `make soak` 50 and 10 times.
"""

import contextlib
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, text

import ingest
import problems
from db.engine import database_url, opened
from modeling import dataset
from serving.local import free_port
from tests.helpers import (
    SAMPLE_OFFERS,
    Trained,
    champion_version,
    run_main,
    score,
    started_script,
    wait_for,
)
from tests.servers import serving

CLIENT_KILLS = int(os.environ.get("SOAK_CLIENT_KILLS", "5"))
SERVER_KILLS = int(os.environ.get("SOAK_SERVER_KILLS", "2"))
SEED = int(os.environ.get("SOAK_SEED", "4"))
BATCH = 100
URI = "models:/offer-click@champion"


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM results_clicked")) or 0)


def wait_until_stored(engine: Engine, rows: int) -> None:
    wait_for(lambda: stored(engine) >= rows, f"{rows:,} rows to be stored")


@contextlib.contextmanager
def killed_again_and_again(
    engine: Engine, trained: Trained, chance: random.Random
) -> Iterator[str]:
    """A server that is killed and started again each time a random number of rows is stored."""
    port, over = free_port(), threading.Event()
    kills = sorted(chance.sample(range(BATCH, SAMPLE_OFFERS - BATCH), SERVER_KILLS))
    survived: list[int] = []

    def live_and_die() -> None:
        for kill_at in [*kills, None]:
            log = trained.folder / "soak.log"
            with serving(URI, trained.tracking_uri, log, port):
                if kill_at is None:
                    over.wait()
                    return
                wait_until_stored(engine, kill_at)
                survived.append(kill_at)

    thread = threading.Thread(target=live_and_die)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
        assert survived == kills
    finally:
        over.set()
        thread.join()


def test_kills_of_client_and_server_at_random_moments_lose_and_double_nothing(
    database: str, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    chance = random.Random(SEED)
    assert run_main(ingest.main, "--database", database) == 0
    with (
        opened(database_url(database)) as engine,
        killed_again_and_again(engine, trained, chance) as endpoint,
    ):
        flags = ("--database", database, "--endpoint", endpoint, "--batch-size", BATCH)
        killed_at_work, share = 0, SAMPLE_OFFERS // 20 // max(CLIENT_KILLS, 10)
        for _ in range(CLIENT_KILLS):
            before = stored(engine)
            # a kill in five comes while the client starts, the others in the middle of its work
            more = 0 if chance.random() < 0.2 else chance.randint(1, 12) * share
            with started_script(
                "score_client.py",
                *flags,
                cwd=tmp_path,
                MLFLOW_TRACKING_URI=trained.tracking_uri,
            ) as client:
                wait_until_stored(engine, before + more)
                threading.Event().wait(chance.uniform(0, 0.05 if more else 2))
                assert client.poll() is None
            killed_at_work += more > 0
        assert score(database, endpoint, "--batch-size", 2000) == 0
        assert_scored_as_in_process(engine, trained)
        with engine.connect() as connection:
            killed = "SELECT count(*) FROM scoring_runs WHERE outcome = 'running'"
            assert connection.scalar(text(killed)) >= killed_at_work > CLIENT_KILLS / 2


def assert_scored_as_in_process(engine: Engine, trained: Trained) -> None:
    problem, version = problems.load(), champion_version(trained)
    data = dataset.read(engine, problem)
    model = mlflow.pyfunc.load_model(version.uri)
    expected = model.predict(data.raw[problem.feature_names])[:, 1]
    found = pd.read_sql("SELECT * FROM results_clicked ORDER BY offer_id", engine)
    assert found["offer_id"].tolist() == data.raw["offer_id"].tolist()
    assert set(found["model_id"]) == {version.model_id}
    np.testing.assert_allclose(found["click_probability"], expected, rtol=1e-9, atol=0)

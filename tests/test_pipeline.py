"""The whole way by one command, on a small folder of data, and trainings repeated after it."""

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from types import ModuleType

import mlflow
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient

from tests.helpers import path_with_python, run_block, run_script

LEADS = 5_000


class Ran:
    """A folder in which pipeline.py ran, and what it printed."""

    def __init__(self, folder: Path, done: subprocess.CompletedProcess[str]) -> None:
        self.folder, self.done = folder, done

    @property
    def client(self) -> MlflowClient:
        mlflow.set_tracking_uri(f"sqlite:///{self.folder / 'mlflow.db'}")
        return MlflowClient()

    def query(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "even_financial.db")) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def ran(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("pipeline")
    source = tmp_path_factory.mktemp("source")
    generator.write(source, leads=LEADS, seed=11)
    return Ran(folder, run_script("pipeline.py", "--source", source, cwd=folder))


def test_the_pipeline_ends_with_every_offer_scored_and_a_summary(ran: Ran) -> None:
    assert ran.done.returncode == 0, ran.done.stderr[-3000:]
    ((offers,),) = ran.query("SELECT count(*) FROM offers")
    assert ran.query("SELECT count(DISTINCT offer_id) FROM results_clicked") == [(offers,)]
    summary = ran.done.stdout[ran.done.stdout.index("Candidates on held-out rows") :]
    for line in (
        rf"leads loaded +{LEADS:,}",
        r"rows rejected by ingest +0",
        r"roc auc( +0\.\d{4}){4}",
        r"champion +offer-click/[12]",
        rf"rows scored +{offers:,}",
        r"rows rejected by the champion +0",
        r"rows pending +0",
        r"rows scored a second +[\d,]+",
    ):
        assert re.search(line, summary), line
    for command in ("mlflow ui", "mlflow models serve -m models:/", "python score_client.py"):
        assert command in summary
    assert max(map(len, summary.splitlines())) <= 80


def test_the_pipeline_leaves_its_two_stores_and_no_server(ran: Ran) -> None:
    assert {path.name for path in ran.folder.iterdir()} == {
        "even_financial.db", "mlflow.db", "mlruns",
    }  # fmt: skip
    port = re.search(r"served at http://127\.0\.0\.1:(\d+)", ran.done.stdout)
    assert port
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port[1]}/ping", timeout=5)


def test_a_step_that_fails_ends_the_pipeline_with_its_code(tmp_path: Path) -> None:
    done = run_script("pipeline.py", "--source", tmp_path / "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "There is no folder" in done.stderr
    assert "ingest.py failed, as told above" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_where_the_first_version_is_no_better_than_the_base_rate_nothing_is_served(
    generator: ModuleType, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    generator.write(source, leads=2_000, seed=11)
    clicks = pd.read_parquet(source / "ds_clicks.parquet.gzip")
    offers = pd.read_parquet(source / "ds_offers.parquet.gzip")
    clicks["offer_id"] = offers["offer_id"].sample(len(clicks), random_state=0).sort_values().values
    clicks.to_parquet(source / "ds_clicks.parquet.gzip", index=False)  # clicks by chance alone
    done = run_script("pipeline.py", "--source", source, cwd=tmp_path)
    assert done.returncode == 3
    assert "there is no champion: its log loss is not surely less" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("error: No version may serve yet")
    assert "mlflow models serve" not in done.stdout


def test_a_training_that_was_stopped_is_never_promoted(ran: Ran) -> None:
    client = ran.client
    before = dict(client.get_registered_model("offer-click").aliases)
    number = before["challenger"]
    version = client.get_model_version("offer-click", number)
    unfinished = client.create_run(client.get_run(str(version.run_id)).info.experiment_id)
    half = client.create_model_version("offer-click", str(version.source), version.run_id)
    for name, value in {**version.tags, "cv_log_loss": "0.000001"}.items():
        client.set_model_version_tag("offer-click", half.version, name, value)
    client.set_model_version_tag(
        "offer-click", half.version, "training_run", unfinished.info.run_id
    )
    assert run_script("promote.py", cwd=ran.folder).returncode == 0
    assert client.get_registered_model("offer-click").aliases == before
    client.delete_model_version("offer-click", half.version)


def metrics_of(ran: Ran, number: int) -> dict[str, float]:
    version = ran.client.get_model_version("offer-click", str(number))
    metrics = ran.client.get_run(str(version.run_id)).data.metrics
    return {name: value for name, value in metrics.items() if name.startswith(("cv_", "test_"))}


def test_the_same_seed_gives_the_same_metrics_and_a_deleted_model_is_told_from_its_heir(
    ran: Ran,
) -> None:
    before = [metrics_of(ran, number) for number in (1, 2, 3)]
    ran.client.delete_registered_model("offer-click")
    assert run_script("train.py", cwd=ran.folder).returncode == 0
    assert run_script("promote.py", cwd=ran.folder).returncode == 0
    # registered again, its numbers start again at 1, and its models are as good as the first ones
    assert [metrics_of(ran, number) for number in (1, 2, 3)] == before
    done = run_script("score_client.py", "--endpoint", "http://127.0.0.1:9", cwd=ran.folder)
    assert done.returncode == 2
    assert re.fullmatch(r"error: offer-click/[12] is now model m-.* knows it as .*\n", done.stderr)


def test_tables_and_store_come_back_from_a_backup_as_they_were(ran: Ran) -> None:
    environment = {"PATH": path_with_python()}
    results = "SELECT count(*), sum(click_probability), max(model_id) FROM results_clicked"
    before = ran.query(results)
    run_block("backup-sqlite", ran.folder, environment)
    for file in ran.folder.glob("*.db"):
        file.write_bytes(b"spoilt")
    shutil.rmtree(ran.folder / "mlruns")
    (backup,) = ran.folder.glob("backup-*")
    run_block("restore-sqlite", ran.folder, environment | {"B": backup.name})
    assert ran.query(results) == before
    history = run_script("promote.py", "--history", cwd=ran.folder)
    assert "decisions" in history.stdout
    shown = run_script("score_client.py", "--dry-run", cwd=ran.folder)  # reads a model's files
    assert shown.returncode == 0, shown.stderr
    shutil.rmtree(backup)

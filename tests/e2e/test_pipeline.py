"""The whole way by one command, on few offers of a tiny problem, and what may come after it."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import requests
from mlflow import MlflowClient

from tests.support.databases import query
from tests.support.datasets import TINY_PROBLEM
from tests.support.empty_store import copy_empty_store
from tests.support.scripts import path_with_python, run_documented_block, run_script
from tests.support.source_files import CLICKS, OFFERS, edit_parquet

LEADS = 2_000
MODEL = "tiny-offers"
PROBLEM = ("--problem", TINY_PROBLEM)


@dataclass(frozen=True)
class PipelineRun:
    """A folder in which pipeline.py ran, and what it printed."""

    folder: Path
    process: subprocess.CompletedProcess[str]

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return query(self.folder / "even_financial.db", sql)

    def metrics(self) -> dict[str, float]:
        """What version 1 reached in the search and on held-out rows."""
        version = self.client.get_model_version(MODEL, "1")
        metrics = self.client.get_run(str(version.run_id)).data.metrics
        return {name: value for name, value in metrics.items() if name.startswith(("cv_", "test_"))}


@pytest.fixture(scope="module")
def pipeline_run(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> PipelineRun:
    folder, source = (tmp_path_factory.mktemp(name) for name in ("pipeline", "source"))
    generator.write(source, leads=LEADS, seed=4)
    return PipelineRun(folder, run_script("pipeline.py", *PROBLEM, "--source", source, cwd=folder))


def test_the_pipeline_ends_with_every_offer_scored_and_a_summary(pipeline_run: PipelineRun) -> None:
    assert pipeline_run.process.returncode == 0, pipeline_run.process.stderr[-3000:]
    ((offers,),) = pipeline_run.query("SELECT count(*) FROM offers")
    scored = "SELECT count(DISTINCT offer_id) FROM results_clicked"
    assert pipeline_run.query(scored) == [(offers,)]
    output = pipeline_run.process.stdout
    summary = output[output.index("Candidates on held-out rows") :]
    for line in (
        rf"leads loaded +{LEADS:,}",
        r"rows rejected by ingest +0",
        r"roc auc( +0\.\d{4}){2}",
        rf"champion +{MODEL}/1",
        rf"rows scored +{offers:,}",
        r"rows rejected by the champion +0",
        r"rows pending +0",
        r"rows scored a second +[\d,]+",
    ):
        assert re.search(line, summary), line
    for command in ("mlflow ui", "mlflow models serve -m models:/", "python score_client.py"):
        assert command in summary
    tables, _, commands = summary.partition("To go on:")
    assert commands
    assert max(map(len, tables.splitlines())) <= 80


def test_the_pipeline_leaves_its_two_stores_and_no_server(pipeline_run: PipelineRun) -> None:
    assert {path.name for path in pipeline_run.folder.iterdir()} == {
        "even_financial.db", "mlflow.db", "mlruns",
    }  # fmt: skip
    port = re.search(r"served at http://127\.0\.0\.1:(\d+)", pipeline_run.process.stdout)
    assert port
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port[1]}/ping", timeout=5)


def test_the_same_seed_gives_the_same_metrics_and_a_deleted_model_is_told_from_its_successor(
    pipeline_run: PipelineRun,
) -> None:
    folder, before = pipeline_run.folder, pipeline_run.metrics()
    pipeline_run.client.delete_registered_model(MODEL)
    for script in ("train.py", "promote.py"):
        assert run_script(script, *PROBLEM, cwd=folder).returncode == 0
    # registered again, its numbers start again at 1, and its model is as good as the first one
    assert pipeline_run.metrics() == before
    scoring = run_script(
        "score_client.py", *PROBLEM, "--endpoint", "http://127.0.0.1:9", cwd=folder
    )
    assert scoring.returncode == 2
    assert re.fullmatch(rf"error: {MODEL}/1 is now model m-.* knows it as .*\n", scoring.stderr)


def test_tables_and_store_come_back_from_a_backup_as_they_were(pipeline_run: PipelineRun) -> None:
    folder, environment = pipeline_run.folder, {"PATH": path_with_python()}
    results = "SELECT count(*), sum(click_probability), max(model_id) FROM results_clicked"
    before = pipeline_run.query(results)
    run_documented_block("backup-sqlite", folder, environment)
    for file in folder.glob("*.db"):
        file.write_bytes(b"broken")
    shutil.rmtree(folder / "mlruns")
    (backup,) = folder.glob("backup-*")
    run_documented_block("restore-sqlite", folder, environment | {"B": backup.name})
    assert pipeline_run.query(results) == before
    history = run_script("promote.py", *PROBLEM, "--history", cwd=folder)
    assert "2 decisions" in history.stdout
    plan = run_script("score_client.py", *PROBLEM, "--dry-run", cwd=folder)  # reads model files
    assert plan.returncode == 0, plan.stderr
    shutil.rmtree(backup)


def test_a_step_that_fails_ends_the_pipeline_with_its_code(tmp_path: Path) -> None:
    process = run_script("pipeline.py", "--source", tmp_path / "nowhere", cwd=tmp_path)
    assert process.returncode == 2
    assert "There is no folder" in process.stderr
    assert "ingest.py failed, as told above" in process.stderr
    assert list(tmp_path.iterdir()) == []


def test_where_the_first_version_is_no_better_than_the_base_rate_nothing_is_served(
    generator: ModuleType, shared_folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    generator.write(source, leads=1_000, seed=4)
    offers = pd.read_parquet(source / OFFERS)["offer_id"]

    def click_by_chance(clicks: pd.DataFrame) -> pd.DataFrame:
        chosen = offers.sample(len(clicks), random_state=0).sort_values()
        return clicks.assign(offer_id=chosen.to_numpy())

    edit_parquet(source, CLICKS, click_by_chance)
    copy_empty_store(shared_folder, tmp_path / "mlflow.db")
    process = run_script("pipeline.py", *PROBLEM, "--source", source, cwd=tmp_path)
    assert process.returncode == 3
    assert "there is no champion: its log loss is not surely less" in process.stdout
    assert process.stderr.splitlines()[-1].startswith("error: No version may serve yet")
    assert "mlflow models serve" not in process.stdout

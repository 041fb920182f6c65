"""pipeline.py on a few offers of a tiny problem, and what a user may do afterwards."""

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

import cli
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
        """The metrics of version 1 from cross-validation and on held-out rows."""
        version = self.client.get_model_version(MODEL, "1")
        metrics = self.client.get_run(str(version.run_id)).data.metrics
        return {name: value for name, value in metrics.items() if name.startswith(("cv_", "test_"))}


@pytest.fixture(scope="module")
def pipeline_run(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> PipelineRun:
    folder, source = (tmp_path_factory.mktemp(name) for name in ("pipeline", "source"))
    generator.write(source, leads=LEADS, seed=4)
    return PipelineRun(folder, run_script("pipeline.py", *PROBLEM, "--source", source, cwd=folder))


def test_the_pipeline_scores_every_offer_and_prints_a_summary(pipeline_run: PipelineRun) -> None:
    assert pipeline_run.process.returncode == 0, pipeline_run.process.stderr[-3000:]
    ((offers,),) = pipeline_run.query("SELECT count(*) FROM offers")
    scored = "SELECT count(DISTINCT offer_id) FROM results_clicked"
    assert pipeline_run.query(scored) == [(offers,)]
    output = pipeline_run.process.stdout
    summary = output[output.index("Candidates on the held-out set") :]
    for line in (
        rf"leads loaded +{LEADS:,}",
        r"rows rejected by ingest +0",
        r"ROC AUC( +0\.\d{4}){2}",
        rf"champion +{MODEL}/1",
        rf"rows scored +{offers:,}",
        r"rows rejected by the champion +0",
        r"rows pending +0",
        r"rows scored per second +[\d,]+",
        r"/#/experiments/\d+/runs/\w{32}\?workflowType=machine_learning",
        rf"/#/models/{MODEL}/versions/1\n",
    ):
        assert re.search(line, summary), line
    for command in ("mlflow ui", "mlflow models serve -m models:/", "python score_client.py"):
        assert command in summary
    tables, _, commands = summary.partition("To continue:")
    assert commands
    assert max(map(len, tables.splitlines())) <= 80


def test_the_pipeline_leaves_a_database_and_a_store_but_no_server(
    pipeline_run: PipelineRun,
) -> None:
    assert {path.name for path in pipeline_run.folder.iterdir()} == {
        "even_financial.db", "mlflow.db", "mlruns",
    }  # fmt: skip
    port = re.search(r"served at http://127\.0\.0\.1:(\d+)", pipeline_run.process.stdout)
    assert port
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port[1]}/ping", timeout=5)


def test_training_is_reproducible_and_a_deleted_model_is_not_confused_with_its_successor(
    pipeline_run: PipelineRun,
) -> None:
    folder, before = pipeline_run.folder, pipeline_run.metrics()
    pipeline_run.client.delete_registered_model(MODEL)
    for script in ("train.py", "promote.py"):
        assert run_script(script, *PROBLEM, cwd=folder).returncode == 0
    # the new model's version has the number 1 again, and the same metrics
    assert pipeline_run.metrics() == before
    scoring = run_script(
        "score_client.py", *PROBLEM, "--endpoint", "http://127.0.0.1:9", cwd=folder
    )
    assert scoring.returncode == 2
    assert re.fullmatch(rf"error: {MODEL}/1 is now model m-.* knows it as .*\n", scoring.stderr)


def test_a_backup_restores_the_tables_and_the_store(pipeline_run: PipelineRun) -> None:
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
    assert "newest first (2)" in history.stdout
    # --dry-run reads the model files
    plan = run_script("score_client.py", *PROBLEM, "--dry-run", cwd=folder)
    assert plan.returncode == 0, plan.stderr
    shutil.rmtree(backup)


def test_the_pipeline_exits_with_the_code_of_a_failed_step(tmp_path: Path) -> None:
    process = run_script("pipeline.py", "--source", tmp_path / "nowhere", cwd=tmp_path)
    assert process.returncode == 2
    assert "There is no folder" in process.stderr
    assert "ingest.py failed (see its output above)" in process.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_first_version_that_does_not_beat_the_base_rate_is_not_served(
    generator: ModuleType, shared_folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    generator.write(source, leads=1_000, seed=4)
    offers = pd.read_parquet(source / OFFERS)["offer_id"]

    def click_at_random(clicks: pd.DataFrame) -> pd.DataFrame:
        chosen = offers.sample(len(clicks), random_state=0).sort_values()
        return clicks.assign(offer_id=chosen.to_numpy())

    edit_parquet(source, CLICKS, click_at_random)
    copy_empty_store(shared_folder, tmp_path / "mlflow.db")
    process = run_script("pipeline.py", *PROBLEM, "--source", source, cwd=tmp_path)
    assert process.returncode == cli.EXIT_NO_CHAMPION
    output = " ".join(process.stdout.split())  # without line breaks
    assert "is refused: its log loss is not significantly lower: " in output
    assert "has no champion, so no version can be served." in output
    assert process.stderr.splitlines()[-1] == "error: promote.py failed (see its output above)."
    assert "mlflow models serve" not in process.stdout

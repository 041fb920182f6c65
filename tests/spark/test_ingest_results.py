"""`ingest.py --results` imports each result of score_spark.py once, into either database."""

import shutil
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

import ingest
from tests.spark.cluster_scoring import read_results
from tests.support.databases import assert_every_offer_scored_once, count_scored, execute, query
from tests.support.project import SAMPLE_OFFERS
from tests.support.scoring import score
from tests.support.scripts import run_main
from tests.support.trained import TrainedStore

NOWHERE = "http://127.0.0.1:9"  # requested only if a row is pending


def import_results(database: str, results: Path, *flags: object) -> int:
    return run_main(ingest.main, "--database", database, "--results", results, *flags)


def counts(output: str) -> list[str]:
    """The counts that ingest.py prints: results, added, already stored, outdated."""
    return output.splitlines()[-2].split()[1:]


def test_scores_are_imported_once_and_no_row_stays_pending(
    scored: Path, sample_databases: str, trained: TrainedStore, capfd: pytest.CaptureFixture[str]
) -> None:
    all_of_them, none = f"{SAMPLE_OFFERS:,}", "0"
    assert import_results(sample_databases, scored) == 0
    assert counts(capfd.readouterr().out) == [all_of_them, all_of_them, none, none]
    assert_every_offer_scored_once(sample_databases, trained.champion_id)
    assert score(sample_databases, NOWHERE) == 0
    imported = query(
        sample_databases, "SELECT offer_id, clicked, click_probability FROM results_clicked"
    )
    scores = read_results(scored)[["offer_id", "clicked", "click_probability"]]
    assert sorted(imported) == sorted(scores.itertuples(index=False, name=None))
    capfd.readouterr()
    assert import_results(sample_databases, scored) == 0
    assert counts(capfd.readouterr().out) == [all_of_them, none, all_of_them, none]
    runs = "SELECT endpoint, outcome, stored FROM scoring_runs ORDER BY id"
    assert query(sample_databases, runs) == [
        (str(scored), "finished", SAMPLE_OFFERS),
        (NOWHERE, "finished", 0),
        (str(scored), "finished", 0),
    ]


def test_the_score_of_a_changed_row_is_not_imported(
    scored: Path, sample_databases: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ((lead, offers),) = query(
        sample_databases,
        "SELECT lead_uuid, count(*) FROM offers GROUP BY lead_uuid ORDER BY 2 DESC, 1 LIMIT 1",
    )
    execute(sample_databases, f"UPDATE leads SET annual_income = 7 WHERE lead_uuid = '{lead}'")
    assert import_results(sample_databases, scored) == 0
    assert counts(capfd.readouterr().out)[1:] == [f"{SAMPLE_OFFERS - offers:,}", "0", str(offers)]
    assert count_scored(sample_databases) == SAMPLE_OFFERS - offers


def test_a_score_replaces_a_rejection_permanently(
    scored: Path, sample_databases: str, tmp_path: Path
) -> None:
    results = tmp_path / "scores"
    shutil.copytree(scored, results)
    (commit,) = (results / "results_clicked").glob("*/commit=000001")
    rows = read_results(scored).drop(columns=["model_id", "commit", "outcome", "trained_on"])
    shutil.rmtree(commit)
    rejected_rows = rows[:10].assign(reason="no", click_probability=np.nan)
    for outcome, part in (("scored", rows[10:]), ("rejected", rejected_rows)):
        (commit / f"outcome={outcome}").mkdir(parents=True)
        part.assign(trained_on=pd.array([None] * len(part), "boolean")).to_parquet(
            commit / f"outcome={outcome}" / "part.parquet"
        )
    rejected = "SELECT reason, count(*) FROM results_clicked_rejected GROUP BY reason"
    assert import_results(sample_databases, results) == 0
    assert query(sample_databases, rejected) == [("no", 10)]
    assert count_scored(sample_databases) == SAMPLE_OFFERS - 10
    assert import_results(sample_databases, scored) == 0
    assert query(sample_databases, rejected) == []
    assert count_scored(sample_databases) == SAMPLE_OFFERS
    assert import_results(sample_databases, results) == 0  # the older results again
    assert query(sample_databases, rejected) == []


def test_damaged_or_missing_results_are_reported_and_nothing_is_stored(
    scored: Path, sample_databases: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "scores"
    shutil.copytree(scored, results)
    (part, *_) = (results / "results_clicked").rglob("part-*.parquet")
    content = bytearray(part.read_bytes())
    content[1_000:3_000] = bytes(2_000)  # the footer with the number of rows stays intact
    part.write_bytes(content)
    assert import_results(sample_databases, results) == 2
    assert "are damaged" in capfd.readouterr().err
    assert count_scored(sample_databases) == 0
    part.write_bytes(b"PAR1")
    assert import_results(sample_databases, results) == 2
    assert "are damaged" in capfd.readouterr().err
    assert import_results(sample_databases, tmp_path) == 2
    assert "holds no results of score_spark.py" in capfd.readouterr().err
    assert import_results(sample_databases, scored, "--source", tmp_path) == 2
    assert "give --source or --results" in capfd.readouterr().err


def test_a_run_on_the_cluster_is_logged_to_mlflow(scored: Path, trained: TrainedStore) -> None:
    version = trained.version()
    client = mlflow.MlflowClient()
    (run_id,) = read_results(scored)["run_id"].unique()
    run = client.get_run(run_id)
    experiment = client.get_experiment_by_name("scoring")
    assert experiment
    assert run.info.experiment_id == experiment.experiment_id
    assert run.info.status == "FINISHED"
    assert run.data.tags["model_id"] == version.model_id
    assert run.data.params["results"] == str(scored)
    metrics = run.data.metrics
    assert metrics["run_scored"] == metrics["table_selected"] == SAMPLE_OFFERS
    assert metrics["table_pending"] == 0
    assert metrics["rows_per_second"] > 0
    assert [file.path for file in client.list_artifacts(run_id)] == ["score_distribution.png"]

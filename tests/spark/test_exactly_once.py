"""Killed, stopped, doubled, a lost executor, a changed row: each is scored once all the same."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark.filesystem import HadoopFolder
from tests.spark.cluster_scoring import (
    FEW_TASKS,
    SparkScore,
    assert_each_row_scored_once,
    list_commits,
    read_results,
)
from tests.support.project import SAMPLE
from tests.support.scripts import ScriptProcess, start_script
from tests.support.source_files import LEADS, OFFERS, edit_parquet, set_value
from tests.support.trained import TrainedStore
from tests.support.waiting import DEADLINE_SECONDS, wait_for

MANY_LEADS = 1_800
COMMIT_ROWS = 2_000


@pytest.fixture(scope="module")
def large(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Offers for several commits."""
    folder = tmp_path_factory.mktemp("large")
    generator.write(folder, leads=MANY_LEADS, seed=3)
    return folder


@pytest.fixture(scope="module")
def offers(large: Path) -> int:
    return len(pd.read_parquet(large / OFFERS, columns=["offer_id"]))


@contextmanager
def started(
    trained: TrainedStore, source: Path, results: Path, tmp_path: Path
) -> Iterator[ScriptProcess]:
    """score_spark.py at work in a process of its own, beside the cluster."""
    with start_script(
        "score_spark.py",
        *("--source", source, "--results", results, "--master", "local[2]"),
        *("--commit-rows", COMMIT_ROWS, *FEW_TASKS),
        cwd=tmp_path,
        MLFLOW_TRACKING_URI=trained.tracking_uri,
        SPARK_LOCAL_DIRS=str(tmp_path / "local"),
    ) as process:
        yield process


@contextmanager
def at_first_commit(results: Path, act: Callable[[], None]) -> Iterator[None]:
    """While the body scores, something happens as soon as a commit is there."""

    def wait_and_act() -> None:
        wait_for(lambda: list_commits(results), "a first commit")
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()


def executors(of: int) -> set[int]:
    """The processes of the executors that this process has started, by way of its Java."""
    found = subprocess.run(
        ["pgrep", "-f", "CoarseGrainedExecutorBackend"], capture_output=True, text=True, check=False
    )
    return {pid for pid in map(int, found.stdout.split()) if descends(pid, of)}


def descends(pid: int, ancestor: int) -> bool:
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:  # it has ended
            return False
    return pid == ancestor


def test_an_executor_killed_in_mid_job_loses_and_doubles_nothing(
    spark_score: SparkScore,
    large: Path,
    offers: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "scores"
    before = executors(os.getpid())
    assert len(before) == 2
    at_kill: list[int] = []

    def kill_one() -> None:
        os.kill(min(before), signal.SIGKILL)
        at_kill.append(len(list_commits(results)))

    with at_first_commit(results, kill_one):
        assert spark_score(large, results, "--commit-rows", COMMIT_ROWS) == 0
    assert at_kill[0] < len(list_commits(results)) == -(-offers // COMMIT_ROWS)
    assert_each_row_scored_once(results, offers)
    assert f"{offers:,}" in capfd.readouterr().out
    wait_for(lambda: len(executors(os.getpid())) == 2, "an executor in its place")
    assert executors(os.getpid()) != before


def test_a_run_killed_between_commits_is_taken_up_where_it_was(
    spark_score: SparkScore,
    trained: TrainedStore,
    large: Path,
    offers: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "scores"
    with started(trained, large, results, tmp_path) as process:
        wait_for(lambda: len(list_commits(results)) > 1, "two commits")
        process.kill()
        process.wait()
    kept = len(read_results(results))
    assert 0 < kept < offers
    assert (results / "_staging").exists()
    assert spark_score(large, results) == 0
    assert f" {offers - kept:,} " in capfd.readouterr().out  # this run
    assert_each_row_scored_once(results, offers)
    assert not (results / "_staging").exists()
    there = list_commits(results)
    assert spark_score(large, results) == 0
    assert list_commits(results) == there


def test_two_runs_at_once_score_no_row_twice(
    spark_score: SparkScore, trained: TrainedStore, large: Path, offers: int, tmp_path: Path
) -> None:
    results = tmp_path / "scores"
    with started(trained, large, results, tmp_path) as other:
        wait_for(lambda: list_commits(results), "a first commit")
        assert spark_score(large, results, "--commit-rows", COMMIT_ROWS) == 0
        output, errors = other.communicate(timeout=900)
    assert other.returncode == 0, output + errors
    assert_each_row_scored_once(results, offers)


def test_of_two_that_publish_at_once_one_wins_and_nothing_is_mixed(
    cluster: SparkSession, tmp_path: Path
) -> None:
    both = [HadoopFolder(cluster, str(tmp_path)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for number in range(200):
            ready, to = threading.Barrier(2), tmp_path / f"commit={number}"

            def publish(who: int, ready: threading.Barrier, to: str) -> bool:
                staged = tmp_path / f"staged-{who}" / "outcome=scored"
                staged.mkdir(parents=True)
                (staged / f"part-{who}").touch()
                ready.wait(DEADLINE_SECONDS)
                return both[who].rename_to_new(staged.parent.name, to)

            won = list(pool.map(partial(publish, ready=ready, to=to.name), (0, 1)))
            assert sorted(won) == [False, True]
            assert [p.name for p in to.rglob("part-*")] == [f"part-{won.index(True)}"]
            shutil.rmtree(tmp_path / f"staged-{won.index(False)}")


def test_a_run_that_is_asked_to_stop_publishes_what_it_is_at_and_sums_up(
    spark_score: SparkScore,
    large: Path,
    offers: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "scores"
    with at_first_commit(results, lambda: os.kill(os.getpid(), signal.SIGINT)):
        assert spark_score(large, results, "--commit-rows", COMMIT_ROWS) == 130
    output = capfd.readouterr()
    assert "Finishing the work in progress" in output.err
    kept = len(read_results(results))
    assert 0 < kept < offers
    assert f" {kept:,} " in output.out
    assert f" {offers - kept:,} " in output.out  # pending
    assert not (results / "_staging").exists()


def test_a_row_that_changes_is_scored_again_and_its_old_score_stays_known_as_that(
    spark_score: SparkScore, source: Path, small_offers: int, tmp_path: Path
) -> None:
    results = tmp_path / "scores"
    assert spark_score(source, results, "--limit", 1_000) == 0
    assert len(read_results(results)) == 1_000
    assert spark_score(source, results) == 0
    assert_each_row_scored_once(results, small_offers)
    lead = pd.read_parquet(source / LEADS).loc[7]
    edit_parquet(source, LEADS, set_value("annual_income", 7, lead["annual_income"] + 1))
    theirs = pd.read_parquet(source / OFFERS).query("lead_uuid == @lead.lead_uuid")["offer_id"]
    assert len(theirs)
    assert spark_score(source, results) == 0
    scored = read_results(results)
    again = scored[scored["commit"] == scored["commit"].max()]
    assert sorted(again["offer_id"]) == sorted(theirs)
    assert set(again["annual_income"]) == {lead["annual_income"] + 1}
    assert len(scored) == small_offers + len(theirs)


def test_results_of_another_model_with_the_same_version_id_are_refused(
    spark_score: SparkScore, scored: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "scores"
    (of_version,) = (scored / "model_versions").iterdir()
    told = pd.read_parquet(of_version).assign(logged_model_id="m-another")
    (results / "model_versions" / of_version.name).mkdir(parents=True)
    told.to_parquet(results / "model_versions" / of_version.name / "part.parquet")
    assert spark_score(SAMPLE, results) == 2
    assert "knows it as model m-another" in capfd.readouterr().err
    assert not (results / "results_clicked").exists()

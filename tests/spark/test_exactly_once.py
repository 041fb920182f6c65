"""Every row is scored once, even if runs are killed, stopped or at work at the same time."""

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
    """A source folder with offers for several commits."""
    folder = tmp_path_factory.mktemp("large")
    generator.write(folder, leads=MANY_LEADS, seed=3)
    return folder


@pytest.fixture(scope="module")
def offers(large: Path) -> int:
    """The number of offers in the large source folder."""
    return len(pd.read_parquet(large / OFFERS, columns=["offer_id"]))


@contextmanager
def start_score_spark(
    trained: TrainedStore, source: Path, results: Path, tmp_path: Path
) -> Iterator[ScriptProcess]:
    """Start score_spark.py in a process of its own, with a local master."""
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
    """Call a function in a thread as soon as the body has made its first commit."""

    def wait_and_act() -> None:
        wait_for(lambda: list_commits(results), "a first commit")
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()


def executor_pids() -> set[int]:
    """The executors that this process has started."""
    output = subprocess.run(
        ["pgrep", "-f", "CoarseGrainedExecutorBackend"], capture_output=True, text=True, check=False
    ).stdout
    return {pid for pid in map(int, output.split()) if is_descendant(pid, os.getpid())}


def is_descendant(pid: int, ancestor: int) -> bool:
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:  # the process has ended
            return False
    return pid == ancestor


def test_every_row_is_scored_once_if_an_executor_is_killed(
    spark_score: SparkScore,
    large: Path,
    offers: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "scores"
    before = executor_pids()
    assert len(before) == 2
    commits_at_kill: list[int] = []

    def kill_one() -> None:
        os.kill(min(before), signal.SIGKILL)
        commits_at_kill.append(len(list_commits(results)))

    with at_first_commit(results, kill_one):
        assert spark_score(large, results, "--commit-rows", COMMIT_ROWS) == 0
    assert commits_at_kill[0] < len(list_commits(results)) == -(-offers // COMMIT_ROWS)
    assert_each_row_scored_once(results, offers)
    assert f"{offers:,}" in capfd.readouterr().out
    wait_for(lambda: len(executor_pids()) == 2, "a new executor")
    assert executor_pids() != before


def test_a_new_run_continues_after_the_last_commit_of_a_killed_one(
    spark_score: SparkScore,
    trained: TrainedStore,
    large: Path,
    offers: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "scores"
    with start_score_spark(trained, large, results, tmp_path) as process:
        wait_for(lambda: len(list_commits(results)) > 1, "two commits")
        process.kill()
        process.wait()
    scored = len(read_results(results))
    assert 0 < scored < offers
    assert (results / "_staging").exists()
    assert spark_score(large, results) == 0
    assert f" {offers - scored:,} " in capfd.readouterr().out  # this run
    assert_each_row_scored_once(results, offers)
    assert not (results / "_staging").exists()
    commits = list_commits(results)
    assert spark_score(large, results) == 0
    assert list_commits(results) == commits


def test_two_runs_at_once_score_no_row_twice(
    spark_score: SparkScore, trained: TrainedStore, large: Path, offers: int, tmp_path: Path
) -> None:
    results = tmp_path / "scores"
    with start_score_spark(trained, large, results, tmp_path) as other:
        wait_for(lambda: list_commits(results), "a first commit")
        assert spark_score(large, results, "--commit-rows", COMMIT_ROWS) == 0
        output, errors = other.communicate(timeout=900)
    assert other.returncode == 0, output + errors
    assert_each_row_scored_once(results, offers)


def test_only_one_of_two_simultaneous_renames_succeeds(
    cluster: SparkSession, tmp_path: Path
) -> None:
    folders = [HadoopFolder(cluster, str(tmp_path)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for number in range(200):
            ready, commit = threading.Barrier(2), tmp_path / f"commit={number}"

            def publish(writer: int, ready: threading.Barrier, name: str) -> bool:
                staged = tmp_path / f"staged-{writer}" / "outcome=scored"
                staged.mkdir(parents=True)
                (staged / f"part-{writer}").touch()
                ready.wait(DEADLINE_SECONDS)
                return folders[writer].rename_to_new(staged.parent.name, name)

            renamed = list(pool.map(partial(publish, ready=ready, name=commit.name), (0, 1)))
            assert sorted(renamed) == [False, True]
            assert [p.name for p in commit.rglob("part-*")] == [f"part-{renamed.index(True)}"]
            shutil.rmtree(tmp_path / f"staged-{renamed.index(False)}")


def test_a_stop_request_lets_the_current_commit_finish(
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
    scored = len(read_results(results))
    assert 0 < scored < offers
    assert f" {scored:,} " in output.out
    assert f" {offers - scored:,} " in output.out  # pending
    assert not (results / "_staging").exists()


def test_a_changed_row_is_scored_again_and_its_old_score_stays_in_the_older_commit(
    spark_score: SparkScore, source: Path, small_offers: int, tmp_path: Path
) -> None:
    results = tmp_path / "scores"
    assert spark_score(source, results, "--limit", 1_000) == 0
    assert len(read_results(results)) == 1_000
    assert spark_score(source, results) == 0
    assert_each_row_scored_once(results, small_offers)
    lead = pd.read_parquet(source / LEADS).loc[7]
    edit_parquet(source, LEADS, set_value("annual_income", 7, lead["annual_income"] + 1))
    changed = pd.read_parquet(source / OFFERS).query("lead_uuid == @lead.lead_uuid")["offer_id"]
    assert len(changed)
    assert spark_score(source, results) == 0
    scored = read_results(results)
    again = scored[scored["commit"] == scored["commit"].max()]
    assert sorted(again["offer_id"]) == sorted(changed)
    assert set(again["annual_income"]) == {lead["annual_income"] + 1}
    assert len(scored) == small_offers + len(changed)


def test_a_version_id_that_belongs_to_another_model_is_refused(
    spark_score: SparkScore, scored: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "scores"
    (partition,) = (scored / "model_versions").iterdir()
    version = pd.read_parquet(partition).assign(logged_model_id="m-another")
    (results / "model_versions" / partition.name).mkdir(parents=True)
    version.to_parquet(results / "model_versions" / partition.name / "part.parquet")
    assert spark_score(SAMPLE, results) == 2
    assert "but model m-another of " in capfd.readouterr().err
    assert not (results / "results_clicked").exists()

"""A training that is stopped during a search cleans up, and its versions are not promoted."""

import contextlib
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.datasets import TINY_PROBLEM, generated_rows
from tests.support.empty_store import copy_empty_store
from tests.support.scripts import ScriptProcess, run_script, start_script
from tests.support.waiting import DEADLINE_SECONDS, wait_for

CANDIDATES = '''
"""The candidate of the tiny problem, and one whose search takes hours."""

from dataclasses import replace

from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer

from problems.pipelines import ordinal_codes, pipeline

from .tiny import candidates as tiny_candidates


def candidates(categories, seed):
    (tiny,) = tiny_candidates(categories, seed)
    forest = RandomForestClassifier(1_000, max_leaf_nodes=20)
    numbers = ["requested", "annual_income", "apr"]
    codes = ordinal_codes(categories)
    endless = pipeline(numbers, SimpleImputer(), categories, forest, text_encoder=codes)
    grid = {"model__random_state": list(range(10_000))}
    return [tiny, replace(tiny, name="endless", pipeline=endless, grid=grid)]
'''


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    """The tiny problem with a second candidate whose search never ends."""
    folder = tmp_path / "problem"
    shutil.copytree(TINY_PROBLEM, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "candidates.py").rename(folder / "tiny.py")
    (folder / "candidates.py").write_text(CANDIDATES)
    return folder


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def read_until(process: ScriptProcess, start: str) -> None:
    """Read its output up to a line that starts with `start`; kill its group at the deadline."""
    deadline = threading.Timer(DEADLINE_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    deadline.start()
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith(start):
                return
        raise AssertionError(f"the output has no line that starts with {start!r}: {lines}")
    finally:
        deadline.cancel()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_leaves_a_killed_run_and_no_process(
    number: signal.Signals, code: int, problem: Path, shared_folder: Path, tmp_path: Path
) -> None:
    uri = copy_empty_store(shared_folder, tmp_path / "mlflow.db")
    generated_rows(700, seed=4).to_parquet("rows.parquet", index=False)
    flags = ("--problem", problem, "--table", "rows.parquet", "--label", "clicked")
    small = ("--folds", 2, "--repeats", 1, "--jobs", 2)
    with start_script(
        "train.py", *flags, *small, cwd=tmp_path, new_session=True, MLFLOW_TRACKING_URI=uri
    ) as process:
        try:
            read_until(process, "logistic: best")  # then the next search starts
            os.killpg(process.pid, number)  # like a terminal, also to the processes of the search
            _, error = process.communicate()
            assert process.returncode == code, error
            wait_for(lambda: not is_alive(process.pid), "the search's processes to end")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert "Traceback" not in error
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tiny_offers")
    assert experiment
    by_name = "tags.mlflow.runName LIKE '% training'"
    (training,) = client.search_runs([experiment.experiment_id], by_name)
    assert training.info.status == "KILLED"
    assert len(client.search_model_versions("name = 'tiny-offers'")) == 1
    promoted = run_script("promote.py", *flags, cwd=tmp_path, MLFLOW_TRACKING_URI=uri)
    assert promoted.returncode == 2
    assert "No training of tiny-offers" in promoted.stderr

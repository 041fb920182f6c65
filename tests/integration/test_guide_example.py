"""The example in docs/own-problem.md works unchanged, and with other names and columns."""

import re
import shlex
from pathlib import Path

import mlflow
import pytest

import cli
import ingest
import promote
import score_client
import train
from registry import versions
from tests.support.databases import query
from tests.support.empty_store import copy_empty_store
from tests.support.model_server import model_server
from tests.support.own_problem import replace_text, write_guide_example
from tests.support.scripts import run_main

# paths in the current folder, which differs for each test
WHERE = ("--problem", "withdrawals", "--database", "applications.db")
FAST = ("--folds", 2, "--repeats", 1, "--jobs", 1)


@pytest.fixture
def store(shared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty MLflow store, which MLFLOW_TRACKING_URI also holds."""
    address = copy_empty_store(shared_folder, tmp_path / "store.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return address


def ingest_and_train() -> int:
    """Load the table of the example and train on it; returns the exit code of train.py."""
    assert run_main(ingest.main, *WHERE, "--source", "applications.csv") == 0
    return run_main(train.main, *WHERE, *FAST)


def test_the_example_in_the_guide_works_unchanged(tmp_path: Path, store: str) -> None:
    write_guide_example(tmp_path)
    assert ingest_and_train() == 0
    client = mlflow.MlflowClient(store)
    (version,) = client.search_model_versions("name = 'withdrawals'")
    training_run = versions.training_run(client, version)
    assert training_run
    training = training_run.data.params
    assert int(training["rows_train"]) + int(training["rows_held_out"]) == 360
    assert client.get_run(str(version.run_id)).data.metrics["cv_roc_auc"] > 0.6
    assert query("applications.db", "SELECT count(*) FROM applications") == [(400,)]
    assert query("applications.db", "SELECT count(*) FROM results_withdrawn") == [(0,)]


def run_command(line: str) -> int:
    """Run the scripts of a printed command; returns the exit code of the last one."""
    for command in line.split("&&"):
        address, python, script, *flags = shlex.split(command)
        assert (address.partition("=")[0], python) == ("MLFLOW_TRACKING_URI", "python")
        code = run_main({"train.py": train.main, "promote.py": promote.main}[script], *flags)
    return code


def test_a_refusal_prints_commands_that_work_and_a_key_may_be_called_id(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = write_guide_example(tmp_path, application_id="id")
    for text in (", a.amount", "a.amount, ", 'Feature("amount", "number"), '):
        replace_text(problem / "__init__.py", text, "")
    replace_text(problem / "__init__.py", '"text")),', '"text"),),')
    replace_text(problem / "candidates.py", '["amount"]', "[]")
    assert ingest_and_train() == 0
    capsys.readouterr()
    # so few rows cannot show that it is better than the base rate
    assert run_main(promote.main, *WHERE) == cli.EXIT_NO_CHAMPION
    output = capsys.readouterr().out
    assert output.endswith("withdrawals has no champion, so no version can be served.\n")
    paragraph = output.partition("\n\nTo continue")[0]
    assert max(map(len, paragraph.splitlines())) <= 80
    assert re.search("; about [1-9][\\d,]+ more labeled rows", " ".join(paragraph.split()))
    train_again, accept_worse, make_champion = re.findall("^  (.+)$", output, re.MULTILINE)
    assert run_command(accept_worse) == 0
    assert "withdrawals/1 is promoted" in capsys.readouterr().out
    assert run_command(train_again) == cli.EXIT_REFUSED
    assert capsys.readouterr().out.endswith("withdrawals/1 stays the champion.\n")
    assert run_command(make_champion.replace("--to 1", "--to 2")) == 0
    with model_server(store, "models:/withdrawals@champion") as url:
        assert run_main(score_client.main, *WHERE, "--endpoint", url) == 0
    scored = "SELECT count(*), count(DISTINCT applications_id) FROM results_withdrawn"
    assert query("applications.db", scored) == [(400, 400)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            'outcome_labels=("',
            'group="channel", outcome_labels=("',
            "rows have no channel, the group key of withdrawals",
        ),
        ("has_label=", "# has_label=", "The label of 40 rows of withdrawals is neither"),
    ],
    ids=["rows without a group", "rows without a label"],
)
def test_train_refuses_rows_without_a_group_or_a_label(
    old: str, new: str, expected: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    problem = write_guide_example(tmp_path)
    replace_text(problem / "__init__.py", old, new)
    assert ingest_and_train() == 2
    assert expected in capfd.readouterr().err

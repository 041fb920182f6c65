"""promote.py on a copy of the trained store: decisions, aliases, rollback and history."""

import dataclasses
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from mlflow import MlflowClient

import cli
import problems
import promote
from registry import aliases, promotions
from registry import store as registry
from tests.support.project import MODEL
from tests.support.scripts import run_main
from tests.support.source_files import load_source
from tests.support.trained import StoreCopy, TrainedStore
from training import promotion

PLAIN, ENGINEERED, TREES = "1", "2", "3"  # as train.py registers them


def test_a_better_challenger_replaces_the_champion(
    store: StoreCopy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.promote("--to", PLAIN) == 0
    assert store.promote() == 0
    assert store.alias("champion") == ENGINEERED
    assert store.alias("previous") == PLAIN
    output = " ".join(capsys.readouterr().out.split())  # without line breaks
    assert "offer-click/2 is promoted: its log loss is lower than that of offer-click/1" in output
    run = store.promotion_runs()[0]
    assert run.data.tags["outcome"] == "promoted"
    assert (run.data.tags["from"], run.data.tags["to"]) == (PLAIN, ENGINEERED)
    assert run.data.metrics["gain_low"] > 0
    assert run.data.metrics["log_loss"] < run.data.metrics["against_log_loss"]
    assert run.data.params["against"] == "offer-click/1"
    assert run.data.params["forced"] == "no"
    (plot,) = store.client.list_artifacts(run.info.run_id)
    assert plot.path == "gain.png"


def test_a_worse_challenger_is_refused_and_the_champion_stays(
    store: StoreCopy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.promote("--challenger", PLAIN) == 3
    assert store.alias("champion") == ENGINEERED
    assert store.alias("challenger") == PLAIN
    output = capsys.readouterr().out
    assert "offer-click/1 is refused: its log loss is not" in output
    assert "\noffer-click/2 stays the champion.\n" in output
    run = store.promotion_runs()[0]
    assert run.data.tags["outcome"] == "refused"
    assert run.data.tags["why"].startswith("its log loss is not significantly lower: ")
    assert run.data.metrics["gain_high"] < 0


def register_again(store: StoreCopy, status: str, cv_log_loss: float | None = None) -> list[str]:
    """Register the same models again, as another training would; return the versions' numbers."""
    client = store.client
    experiment = client.get_experiment_by_name("offer_click")
    assert experiment
    training = client.create_run(experiment.experiment_id)
    if status != "RUNNING":
        client.set_terminated(training.info.run_id, status)
    numbers = []
    for number in (PLAIN, ENGINEERED, TREES):
        version = client.get_model_version(MODEL, number)
        data = client.get_run(str(version.run_id)).data
        tags = {**data.tags, "mlflow.parentRunId": training.info.run_id}
        run_id = client.create_run(experiment.experiment_id, tags=tags).info.run_id
        for name, value in data.metrics.items():
            client.log_metric(run_id, name, value)
        if cv_log_loss is not None:
            client.log_metric(run_id, "cv_log_loss", cv_log_loss)
        copy = client.create_model_version(MODEL, str(version.source), run_id, tags=version.tags)
        numbers.append(str(copy.version))
    return numbers


def test_the_same_models_trained_again_are_refused(store: StoreCopy) -> None:
    _, engineered, _ = register_again(store, "FINISHED")
    assert store.promote() == 3
    run = store.promotion_runs()[0]
    assert run.data.tags["to"] == engineered
    assert run.data.metrics["gain"] == 0
    assert store.alias("champion") == ENGINEERED


def test_a_benchmark_model_is_judged_only_if_it_is_allowed_by_name(store: StoreCopy) -> None:
    assert store.promote("--challenger", TREES) == 2
    assert store.promote("--challenger", TREES, "--allow", "boosted_trees") in (0, 3)
    assert store.promotion_runs()[0].data.tags["to"] == TREES


@pytest.mark.parametrize("status", ["RUNNING", "KILLED", "FAILED"])
def test_versions_of_an_unfinished_training_are_never_promoted(
    store: StoreCopy, status: str
) -> None:
    aliases_before = store.client.get_registered_model(MODEL).aliases
    register_again(store, status, cv_log_loss=0.000001)
    assert store.promote() == 0  # the best version of the training before is already the champion
    assert store.client.get_registered_model(MODEL).aliases == aliases_before
    assert len(store.promotion_runs()) == 1


def test_the_champion_is_not_judged_against_itself(
    store: StoreCopy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.promote() == 0
    assert "offer-click/2 (logistic_engineered) is already the champion" in capsys.readouterr().out
    assert len(store.promotion_runs()) == 1  # that of the fixture


def test_a_version_trained_on_another_database_is_judged_only_with_force(
    store: StoreCopy, generator: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator.write(tmp_path / "source", leads=2_000, seed=1)
    other = tmp_path / "other.db"
    store.set_alias("challenger", TREES)
    assert load_source(tmp_path / "source", str(other)) == 0
    flags = ("--challenger", PLAIN, "--database", other)
    assert run_main(promote.main, *flags) == 3
    fault = r"offer-click/1 was trained on other data \(.+\) than sqlite.*other\.db .*--force"
    assert re.search(fault, capsys.readouterr().err)
    assert store.alias("challenger") == TREES  # unchanged
    before = len(store.promotion_runs())
    assert run_main(promote.main, *flags, "--force") == 3
    assert "compared anyway" in capsys.readouterr().err
    assert len(store.promotion_runs()) == before + 1
    assert store.promotion_runs()[0].data.params["forced"] == "yes"
    store.client.delete_registered_model_alias(MODEL, "champion")
    assert run_main(promote.main, *flags) == cli.EXIT_NO_CHAMPION


def test_the_canary_check_detects_a_version_with_other_answers(
    trained: TrainedStore,
) -> None:
    version, problem = trained.version(), problems.load()
    assert promotion.passes_canary_check(version, problem)
    moved = [p * (1 + 1e-6) for p in version.canary.probabilities]
    canary = dataclasses.replace(version.canary, probabilities=moved)
    assert not promotion.passes_canary_check(dataclasses.replace(version, canary=canary), problem)


def test_rollback_restores_the_previous_champion_and_history_lists_every_move(
    store: StoreCopy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.promote("--to", TREES, "--why", "a trial") == 0
    assert store.promote("--rollback") == 0
    assert store.alias("champion") == ENGINEERED
    assert store.alias("previous") == TREES
    assert store.alias("challenger") == PLAIN
    assert store.promote("--to", PLAIN) == 0
    assert store.alias("challenger") is None  # the champion is not its own challenger
    capsys.readouterr()
    assert store.promote("--history") == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80
    lines = [line for line in output.splitlines() if re.match(r" \d{4}-", line)]
    expected = (
        (r"2 to 1 +moved", r""),
        (r"3 to 2 +rolled back", r""),
        (r"2 to 3 +moved", r"a trial"),
        (r"none to 2", ""),
    )
    for line, (move, why) in zip(lines, expected, strict=True):
        assert re.search(move, line), line
        assert re.search(why, line), line
    entries = promotions.history(store.client, MODEL)
    assert [entry.outcome for entry in entries] == [
        "moved by hand",
        "rolled back",
        "moved by hand",
        "promoted",
    ]
    assert all(entry.user for entry in entries)


def test_the_error_names_a_champion_without_artifacts(
    store: StoreCopy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        moved = connection.execute(
            "UPDATE model_versions SET storage_location = ? WHERE version = ?",
            (str(tmp_path / "gone"), ENGINEERED),
        ).rowcount
        connection.commit()
    assert moved == 1
    assert store.promote("--challenger", PLAIN) == 2
    error = capsys.readouterr().err
    assert "The artifacts of offer-click/2 cannot be read" in error
    assert "promote.py --to NUMBER" in error
    assert store.promote("--to", PLAIN) == 0


def test_history_of_a_deleted_experiment_is_an_error(
    store: StoreCopy, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = store.client.get_experiment_by_name("promotions")
    assert experiment
    store.client.delete_experiment(experiment.experiment_id)
    assert store.promote("--history") == 2
    assert "'promotions' was deleted: restore it with" in capsys.readouterr().err


def test_an_unreachable_registry_is_an_error_not_a_missing_champion() -> None:
    with (
        registry.without_retries(),
        pytest.raises(registry.RegistryError, match="reported an error"),
    ):
        aliases.version_number(MlflowClient("http://127.0.0.1:9"), MODEL, aliases.CHAMPION)


def test_a_missing_model_or_alias_has_no_version_number(store: StoreCopy) -> None:
    assert aliases.version_number(store.client, "no-such-model", aliases.CHAMPION) is None
    assert store.alias("nobody") is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--to", "9"), "has no version models:/offer-click/9"),
        (("--to", "two"), "does not name a version"),
        (("--challenger", "9"), "has no version offer-click/9"),
        (
            ("--rollback",),
            "has no version `previous` to roll back to, because no champion was replaced yet",
        ),
        (("--to", "1", "--rollback"), "Give only one of --to and --rollback"),
        (
            ("--allow", "trees"),
            "--allow has unknown candidates (trees): choose from boosted_trees, log",
        ),
        (("--table", "x.csv"), "Give --table and --label together"),
    ],
)
def test_a_mistake_is_reported_in_one_sentence(
    store: StoreCopy, flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--allow" in flags or "--table" in flags:
        store.client.delete_registered_model_alias(MODEL, "champion")
    assert store.promote(*flags) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

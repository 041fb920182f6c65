"""promote.py on a store of its own: what it decides, moves, refuses, and remembers."""

import re
import sqlite3
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

import ingest
import promote
import train
from registry import aliases, promotions
from registry import store as registry
from tests.helpers import MODEL, SAMPLE, Store, run_main, started_script

PLAIN, ENGINEERED, TREES = "1", "2", "3"  # as train.py registers them


def test_a_truly_better_challenger_replaces_the_champion(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.promote("--to", PLAIN) == 0
    assert store.promote() == 0
    assert store.alias("champion") == ENGINEERED
    assert store.alias("previous") == PLAIN
    assert "offer-click/2 is promoted: log loss less than that of offer-click/1 by" in (
        capsys.readouterr().out
    )
    run = store.runs()[0]
    assert run.data.tags["outcome"] == "promoted"
    assert (run.data.tags["from"], run.data.tags["to"]) == (PLAIN, ENGINEERED)
    assert run.data.metrics["gain_low"] > 0
    assert run.data.metrics["log_loss"] < run.data.metrics["against_log_loss"]
    assert run.data.params["against"] == "offer-click/1"
    (plot,) = store.client.list_artifacts(run.info.run_id)
    assert plot.path == "bootstrap.png"


def test_a_worse_challenger_is_refused_and_the_champion_stays(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.promote("--challenger", PLAIN) == 3
    assert store.alias("champion") == ENGINEERED
    assert store.alias("challenger") == PLAIN
    said = capsys.readouterr().out
    assert "offer-click/1 is refused, offer-click/2 stays champion: its log loss is not" in said
    run = store.runs()[0]
    assert run.data.tags["outcome"] == "refused"
    assert run.data.tags["why"].startswith("its log loss is not surely less")
    assert run.data.metrics["gain_high"] < 0


def test_the_same_model_trained_again_is_refused_and_one_allowed_by_name_is_judged(
    store: Store,
) -> None:
    assert (
        run_main(train.main, "--database", store.database) == 0
    )  # the same seed, so the same models
    assert store.promote() == 3
    run = store.runs()[0]
    assert run.data.tags["to"] == "5"
    assert run.data.metrics["gain"] == 0
    assert store.alias("champion") == ENGINEERED
    found = store.client.get_model_version(MODEL, "6")
    assert found.tags["candidate"] == "boosted_trees"
    assert store.promote("--challenger", "6") == 2
    assert store.promote("--challenger", "6", "--allow", "boosted_trees") in (0, 3)
    assert store.runs()[0].data.tags["to"] == "6"


def test_nobody_is_asked_twice_about_the_champion(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(store.runs())
    assert store.promote() == 0
    assert "offer-click/2 (logistic_engineered) is the champion already" in capsys.readouterr().out
    assert len(store.runs()) == before


def test_a_version_trained_on_another_database_is_judged_only_with_force(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.db"
    assert run_main(ingest.main, "--source", SAMPLE, "--database", other) == 0
    flags = ("--challenger", PLAIN, "--database", other)
    assert run_main(promote.main, *flags) == 3
    assert re.search(
        r"offer-click/1 was trained on other data \(.+\) than sqlite.*other\.db .*--force",
        capsys.readouterr().err,
    )
    assert store.alias("challenger") == PLAIN  # as it was
    assert run_main(promote.main, *flags, "--force") == 3
    assert "judged all the same" in capsys.readouterr().err
    assert store.runs()[0].data.params["forced"] == "yes"


def test_rollback_restores_and_history_tells_all_of_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.promote("--to", TREES, "--why", "a trial") == 0
    assert store.promote("--rollback") == 0
    assert store.alias("champion") == ENGINEERED
    assert store.alias("previous") == TREES
    capsys.readouterr()
    assert store.promote("--history") == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    lines = [line for line in said.splitlines() if re.match(r" \d{4}-", line)]
    expected = ((r"3 to 2 +rolled back", r""), (r"2 to 3 +moved", r"a trial"), (r"none to 2", ""))
    for line, (move, why) in zip(lines, expected, strict=True):
        assert re.search(move, line), line
        assert re.search(why, line), line
    entries = promotions.history(store.client, MODEL)
    assert [entry.outcome for entry in entries] == ["rolled back", "moved by hand", "promoted"]
    assert all(entry.who for entry in entries)


def test_a_champion_without_its_artifacts_is_told_by_its_number(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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


def test_history_of_a_deleted_experiment_is_no_empty_history(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = store.client.get_experiment_by_name("promotions")
    assert experiment
    store.client.delete_experiment(experiment.experiment_id)
    assert store.promote("--history") == 2
    assert "'promotions' was deleted: restore it with" in capsys.readouterr().err


def test_history_is_complete_after_concurrent_promotions(store: Store, tmp_path: Path) -> None:
    before = len(promotions.history(store.client, MODEL))
    where = {"MLFLOW_TRACKING_URI": store.uri}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(started_script("promote.py", "--to", number, cwd=tmp_path, **where))
            for number in (PLAIN, TREES, PLAIN, ENGINEERED, TREES, PLAIN)
        ]
        outputs = [process.communicate(timeout=180) for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), outputs
    moved = [out for out, _ in outputs if "already" not in out]
    entries = promotions.history(store.client, MODEL)
    assert len(entries) == before + len(moved)
    assert {entry.outcome for entry in entries[: len(moved)]} == {"moved by hand"}
    for later, earlier in pairwise(entries):
        assert later.before == earlier.after  # no move is missing between the two
    assert entries[0].after == store.alias("champion")
    assert entries[0].before == store.alias("previous")


def test_a_registry_that_does_not_answer_is_not_taken_for_one_without_a_champion() -> None:
    with registry.impatient(), pytest.raises(registry.RegistryError, match="refused"):
        aliases.number_with_alias(MlflowClient("http://127.0.0.1:9"), MODEL, aliases.CHAMPION)


def test_a_model_or_an_alias_that_is_not_there_has_no_number(store: Store) -> None:
    assert aliases.number_with_alias(store.client, "no-such-model", aliases.CHAMPION) is None
    assert store.alias("nobody") is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--to", "9"), "has no version models:/offer-click/9"),
        (("--to", "two"), "does not name a version"),
        (("--challenger", "9"), "has no version offer-click/9"),
        (("--to", ""), "does not name a version"),
        (("--rollback",), "there is none to go back to (none was replaced yet, or it was deleted)"),
        (("--to", "1", "--rollback"), "Give one of --to and --rollback, not both"),
        (("--allow", "trees"), "There is no candidate trees to allow: there is boosted_trees, log"),
        (("--table", "x.csv"), "Give --table and --label together"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    store: Store, flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--allow" in flags or "--table" in flags:
        store.client.delete_registered_model_alias(MODEL, "champion")
    assert store.promote(*flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    mlflow.set_tracking_uri(store.uri)

"""What a user may get wrong: one sentence, the right exit code, and nothing half-done."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.spark.cluster_scoring import SparkScore, read_results
from tests.support.project import MODEL, SAMPLE
from tests.support.scripts import run_script
from tests.support.source_files import LEADS, OFFERS, edit_parquet, flip_value_bit
from tests.support.trained import StoreCopy, TrainedStore


def garble(path: Path) -> None:
    """Spoil a file in the middle: its end, which tells what is where, stays whole."""
    content = bytearray(path.read_bytes())
    content[200:4_000] = bytes(3_800)
    path.write_bytes(content)


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file is missing": (lambda s: (s / OFFERS).unlink(), "lacks ds_offers as "),
    "two of a name": (
        lambda s: shutil.copy(s / OFFERS, s / "ds_offers.parquet"),
        "keep the one to be scored",
    ),
    "not parquet": (lambda s: (s / LEADS).write_text("lead_uuid\n1\n"), f"{LEADS} is no whole"),
    "truncated": (
        lambda s: (s / OFFERS).write_bytes((s / OFFERS).read_bytes()[:-500]),
        f"{OFFERS} is no whole Parquet file",
    ),
    "damaged": (lambda s: garble(s / OFFERS), f"{OFFERS} is damaged ("),
    "one bit": (lambda s: flip_value_bit(s, OFFERS, "apr"), f"{OFFERS} is damaged ("),
    "a column is missing": (
        lambda s: edit_parquet(s, LEADS, lambda f: f.drop(columns="credit")),
        f"column credit of {LEADS} must be text, but is missing",
    ),
    "no folder": (shutil.rmtree, "lacks ds_leads as "),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_bad_source_ends_with_one_sentence_and_nothing_scored(
    case: str,
    spark_score: SparkScore,
    source: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    how, sentence = MISTAKES[case]
    how(source)
    assert spark_score(source, tmp_path / "scores") == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert sentence in error
    assert not (tmp_path / "scores").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--model", "offer-click@nobody"), "has no version offer-click@nobody"),
        (("--conf", "executor.memory=1g"), "is no setting of Spark"),
        (("--problem", "loan_risk", "--model", "offer-click@champion"), "was trained for"),
        (("--results", "nowhere://scores"), "The folder nowhere://scores cannot be used"),
        (("--results", "hdfs://no.such.host/scores"), "cannot be used (java.net.UnknownHost"),
        (("--results", ""), "The folder of no name cannot be used"),
        (("--results", "/proc/scores"), "The folder file:/proc/scores cannot be written to"),
        (("--results", __file__), "Parent path is not a directory"),
        (("--results", "scores[1]"), "has [ ] in its name, which Spark takes for a pattern"),
        (("--source", "offers*"), "has * in its name"),
        (("--master", "foo"), "No Spark session can be had from foo (a master is local[*], "),
    ],
)
def test_a_wrong_flag_is_told_in_one_sentence(
    spark_score: SparkScore,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    sentence: str,
) -> None:
    assert spark_score(SAMPLE, tmp_path / "scores", *flags) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert sentence in error


def test_a_sqlite_database_is_not_for_a_cluster(
    spark_score: SparkScore, sample_database: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert spark_score("", tmp_path / "scores", "--database", sample_database) == 2
    assert "Spark reads PostgreSQL by its network address, not sqlite" in capfd.readouterr().err


def test_without_java_it_says_what_to_install(trained: TrainedStore, tmp_path: Path) -> None:
    told = {"MLFLOW_TRACKING_URI": trained.tracking_uri, "PATH": str(tmp_path), "JAVA_HOME": ""}
    done = run_script("score_spark.py", "--source", SAMPLE, cwd=tmp_path, **told)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: Spark needs Java 17")
    assert not list(tmp_path.iterdir())


def test_a_cluster_that_does_not_answer_is_told_of(trained: TrainedStore, tmp_path: Path) -> None:
    done = run_script(
        "score_spark.py", "--source", SAMPLE, "--master", "nonsense://host",
        cwd=tmp_path, MLFLOW_TRACKING_URI=trained.tracking_uri,
    )  # fmt: skip
    assert done.returncode == 2
    assert "No Spark session can be had from nonsense://host" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("loads", "code", "sentence"),
    [(True, 4, "does not answer as offer-click/"), (False, 2, "model.skops cannot be read")],
    ids=["wrong answers", "does not load"],
)
def test_a_model_that_is_not_what_was_registered_scores_nothing(
    spark_score: SparkScore,
    store: StoreCopy,
    trained: TrainedStore,
    small_source: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    *,
    loads: bool,
    code: int,
    sentence: str,
) -> None:
    number = store.register_broken_copy(trained.version().number, tmp_path, loads=loads)
    results = tmp_path / "scores"
    assert spark_score(small_source, results, "--model", f"{MODEL}/{number}") == code
    error = capfd.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert read_results(results).empty

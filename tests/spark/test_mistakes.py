"""A user's mistake ends the run with one sentence, the right exit code and no partial results."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark.errors import SparkError, translate_spark_errors
from tests.spark.cluster_scoring import SparkScore, read_results
from tests.support.project import MODEL, SAMPLE
from tests.support.scripts import run_script
from tests.support.source_files import LEADS, OFFERS, edit_parquet, flip_value_bit
from tests.support.trained import StoreCopy, TrainedStore


def garble(path: Path) -> None:
    """Overwrite a part of a Parquet file, but not the footer at its end."""
    content = bytearray(path.read_bytes())
    content[200:4_000] = bytes(3_800)
    path.write_bytes(content)


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file is missing": (lambda s: (s / OFFERS).unlink(), "lacks ds_offers as "),
    "two files of one name": (
        lambda s: shutil.copy(s / OFFERS, s / "ds_offers.parquet"),
        "keep only the one to score",
    ),
    "not parquet": (
        lambda s: (s / LEADS).write_text("lead_uuid\n1\n"),
        f"{LEADS} is not a complete Parquet file",
    ),
    "truncated": (
        lambda s: (s / OFFERS).write_bytes((s / OFFERS).read_bytes()[:-500]),
        f"{OFFERS} is not a complete Parquet file",
    ),
    "damaged": (lambda s: garble(s / OFFERS), f"{OFFERS} is damaged ("),
    "one bit flipped": (lambda s: flip_value_bit(s, OFFERS, "apr"), f"{OFFERS} is damaged ("),
    "a column is missing": (
        lambda s: edit_parquet(s, LEADS, lambda f: f.drop(columns="credit")),
        f"column credit of {LEADS} must be text, but is missing",
    ),
    "no folder": (shutil.rmtree, "lacks ds_leads as "),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_nothing_is_scored_from_a_bad_source(
    case: str,
    spark_score: SparkScore,
    source: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    damage, sentence = MISTAKES[case]
    damage(source)
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
        (("--conf", "executor.memory=1g"), "is not a Spark setting"),
        (("--problem", "loan_risk", "--model", "offer-click@champion"), "was trained for"),
        (("--results", "nowhere://scores"), "The folder nowhere://scores cannot be used"),
        (("--results", "hdfs://no.such.host/scores"), "cannot be used (java.net.UnknownHost"),
        (("--results", ""), "The folder with an empty name cannot be used"),
        (("--results", "/proc/scores"), "The folder file:/proc/scores is not writable"),
        (("--results", __file__), "Parent path is not a directory"),
        (("--results", "scores[1]"), "scores[1] contains [ ], which Spark reads as a pattern"),
        (("--source", "offers*"), "offers* contains *, which Spark reads as a pattern"),
        (("--master", "foo"), "Spark cannot start with the master foo (a master is local[*], "),
    ],
)
def test_a_wrong_flag_is_reported_in_one_sentence(
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


def test_a_sqlite_database_is_refused(
    spark_score: SparkScore, sample_database: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert spark_score("", tmp_path / "scores", "--database", sample_database) == 2
    assert (
        "Spark can read only PostgreSQL at a network address, not sqlite" in capfd.readouterr().err
    )


def test_a_missing_java_is_reported(trained: TrainedStore, tmp_path: Path) -> None:
    environment = {
        "MLFLOW_TRACKING_URI": trained.tracking_uri,
        "PATH": str(tmp_path),
        "JAVA_HOME": "",
    }
    process = run_script("score_spark.py", "--source", SAMPLE, cwd=tmp_path, **environment)
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].startswith("error: Spark needs Java 17")
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_of_master_is_reported(trained: TrainedStore, tmp_path: Path) -> None:
    process = run_script(
        "score_spark.py", "--source", SAMPLE, "--master", "nonsense://host",
        cwd=tmp_path, MLFLOW_TRACKING_URI=trained.tracking_uri,
    )  # fmt: skip
    assert process.returncode == 2
    assert "Spark cannot start with the master nonsense://host" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    ("loads", "code", "sentence"),
    [(True, 4, "does not answer as offer-click/"), (False, 2, "model.skops cannot be read")],
    ids=["wrong answers", "does not load"],
)
def test_a_model_that_differs_from_its_version_scores_nothing(
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


def test_a_package_that_the_executors_lack_is_reported(cluster: SparkSession) -> None:
    def import_missing(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import no_such_package  # type: ignore[import-not-found]

        assert no_such_package
        yield from batches

    rows = cluster.range(10).mapInArrow(import_missing, "id long")
    message = "No module named 'no_such_package'"
    with pytest.raises(SparkError, match=message), translate_spark_errors():
        rows.collect()

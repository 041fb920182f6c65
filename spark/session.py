"""A Spark session: on this machine's cores or on a cluster, with our code shipped to it."""

import hashlib
import os
import re
import shutil
import signal
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HERE = Path(__file__).parents[1]
SHIPPED = ("cli", "db", "problems", "registry", "scoring", "spark")  # what executors import
BATCH_ROWS = 10_000  # that a model is asked about at once
MASTER = re.compile(r"|local(\[.*\])?|local-cluster\[.*\]|spark://.+|yarn|k8s://.+")  # or none

SAID_BY_US = "spark.executor.Mismatch: "  # in an executor's traceback, what is for the user

LOG = (HERE / "spark" / "log4j2.properties").as_uri()
SETTINGS = {
    "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOG}",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",
    # pandas writes such columns; they may lie beside those that we read
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    # what a partition's folder is called stays text
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # else each task sorts its rows by outcome before it writes them
    "spark.sql.maxConcurrentOutputFileWriters": "8",
    # the other one lets a task that failed half-way leave files beside those of its second try
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",
}
# nothing of ours is to listen to other machines
LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "32",  # 200 cost a small table half its time
}


class SparkError(UserError):
    """Spark cannot be started or used as asked."""


class UnverifiedModel(UserError):
    """An executor's model does not answer as the version that was asked for."""

    exit_code = 4


@contextmanager
def translate_spark_errors() -> Iterator[None]:
    """Turn what Spark says of a job that failed into one sentence.

    Raises:
        Unproven: an executor said so.
        SparkError: the cluster, its Python or its files are at fault. What our own code in the
            executors raises passes through, as a bug.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import AnalysisException, PySparkException, PythonException

    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        text = str(error)
        if SAID_BY_US in text:
            said = text.partition(SAID_BY_US)[2].splitlines()[0]
            raise UnverifiedModel(f"{said}: see whether its artifacts were changed.") from error
        if found := re.search(r"(?:ModuleNotFound|Import)Error: (.*)", text):
            raise SparkError(
                f"The executors' Python cannot score ({found[1]}): ship them this environment, "
                "as docs/scale.md tells."
            ) from error
        if "org.postgresql.Driver" in text:
            raise SparkError(
                "Spark has no JDBC driver of PostgreSQL: give its file with "
                "--conf spark.jars=/path/to/postgresql.jar."
            ) from error
        if found := re.search(r"Encountered error while reading file (.*?)\. ", text):
            raise SparkError(
                f"The file {found[1]} is damaged ({root_cause(error)}): fetch it again."
            ) from error
        if isinstance(error, PythonException | AnalysisException):
            raise
        raise SparkError(
            f"Spark gave up ({root_cause(error)}): on a cluster its executors' logs have more."
        ) from error


def root_cause(error: Exception) -> str:
    """What lies at the bottom of an exception of Java, in one line."""
    text = str(error)
    causes = re.findall(r"Caused by: (.*)", text) or re.findall(r"^: (.*)", text, re.M)
    causes = causes or text.splitlines()[:1]
    return " ".join(causes[-1].split())[:300].rstrip(".")


@contextmanager
def start_session(name: str, master: str, settings: Sequence[str]) -> Iterator["SparkSession"]:
    """A session for the body; `settings` are Spark's own, as `spark.executor.memory=4g`.

    Raises:
        SparkError: PySpark or Java is missing, a setting is none, or no session can be had.
    """
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SparkError(
            "PySpark is not installed: `pip install -r requirements-spark.txt` brings it."
        ) from error
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        raise SparkError("Spark needs Java 17, and there is no `java` here: install a JRE.")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    local = master.startswith("local")
    if local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    given = {"spark.app.name": name} | ({"spark.master": master} if master else {})
    chosen = [*{**SETTINGS, **(LOCAL if local else {}), **given, **_parsed(settings)}.items()]
    builder = SparkSession.builder.config(map=dict(chosen))
    running = SparkSession.getActiveSession()  # a notebook's, which is not ours to stop
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        if not MASTER.fullmatch(master):
            raise ValueError("a master is local[*], spark://host:port, yarn or k8s://host:port")
        with _held_signals():  # else they leave a Java behind that nobody knows
            SparkContext._ensure_initialized(conf=SparkConf().setAll(chosen))
        made = builder.getOrCreate()
        made.sql("SELECT 1")  # which finds out what of the settings is wrong
    except Exception as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise SparkError(
            f"No Spark session can be had from {master or 'its own settings'} ({reason}): see "
            "whether --master and --conf are right, its cluster is up, and `java -version` says 17 "
            "or later."
        ) from error
    finally:
        signal.signal(signal.SIGINT, on_ctrl_c)  # Spark's own would use Java in the midst of a call
    try:
        with tempfile.TemporaryDirectory(prefix="shipped-") as folder:
            _ship(made, Path(folder))
            yield made
    finally:
        if running is None:
            made.stop()


@contextmanager
def _held_signals() -> Iterator[None]:
    """What asks us to stop is heard after the body."""
    heard: list[int] = []
    held = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda got, _: heard.append(got)) for number in held}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])


def _parsed(settings: Sequence[str]) -> dict[str, str]:
    pairs = dict(setting.partition("=")[::2] for setting in settings)
    for key, value in pairs.items():
        if not key.startswith("spark.") or not value:
            raise SparkError(
                f"{key!r} in --conf is no setting of Spark: give spark.name=value, more than one "
                "with spaces between them."
            )
    return pairs


def _ship(spark: "SparkSession", folder: Path) -> None:
    """Give the executors our packages, in one file, unless the session has them."""
    content = {
        str(path.relative_to(HERE)): path.read_bytes()
        for room in SHIPPED
        for path in sorted((HERE / room).rglob("*.py"))
    }
    made = folder / f"loan_offers_{hashlib.sha256(repr(content).encode()).hexdigest()[:12]}.zip"
    context = spark.sparkContext
    if any(known.endswith(made.name) for known in context.listFiles):
        return
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    context.addPyFile(str(made))

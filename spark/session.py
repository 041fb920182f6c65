"""A Spark session on this machine or on a cluster, with this project's code on its executors."""

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
from typing import TYPE_CHECKING, Any

from cli import one_line
from spark.errors import SparkError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROJECT = Path(__file__).parents[1]
SHIPPED = ("cli", "db", "problems", "registry", "scoring", "spark")  # the executors import these
BATCH_ROWS = 10_000  # rows in a record batch, which is scored at once
# the forms of a master's URL; the empty one leaves the choice to Spark's own settings
MASTER = re.compile(r"|local(\[.*\])?|local-cluster\[.*\]|spark://.+|yarn|k8s://.+")

LOG = (PROJECT / "spark" / "log4j2.properties").as_uri()
SETTINGS = {
    "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOG}",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",
    # Spark rejects a file with a timestamp in nanoseconds, as pandas writes, even in other columns
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    # the values of partition columns stay text
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # without this each task sorts its rows by outcome before it writes them
    "spark.sql.maxConcurrentOutputFileWriters": "8",
    # version 2 can leave the files of a failed task beside those of its retry
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",
}
# for a local master: accept no connections from other machines
LOCAL_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "32",  # the default of 200 doubles the time for a small table
}


@contextmanager
def start_session(name: str, master: str, settings: Sequence[str]) -> Iterator["SparkSession"]:
    """Start a session for the body with settings such as `spark.executor.memory=4g`.

    If there is an active session, as in a notebook, use that one and do not stop it.

    Raises:
        SparkError: PySpark or Java is missing, a setting is invalid, or Spark does not start.
    """
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SparkError(
            "PySpark is not installed: run `pip install -r requirements-spark.txt`."
        ) from error
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        raise SparkError("Spark needs Java 17, but there is no `java` here: install a JRE.")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    options: dict[str, Any] = {**SETTINGS, "spark.app.name": name}
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        options |= LOCAL_SETTINGS
    options |= ({"spark.master": master} if master else {}) | _parse_settings(settings)
    active_session = SparkSession.getActiveSession()
    sigint_handler = signal.getsignal(signal.SIGINT)
    try:
        if not MASTER.fullmatch(master):
            raise ValueError("a master is local[*], spark://host:port, yarn or k8s://host:port")
        with _signals_delayed():  # a signal during the start would leave a Java process behind
            SparkContext._ensure_initialized(conf=SparkConf().setAll([*options.items()]))
        session = SparkSession.builder.config(map=options).getOrCreate()
        session.sql("SELECT 1")  # fails if a setting is invalid
    except Exception as error:
        raise SparkError(
            f"Spark cannot start with {f'the master {master}' if master else 'its own settings'} "
            f"({one_line(str(error), 200)}): check --master and --conf, that the cluster is "
            "running, and that `java -version` shows 17 or later."
        ) from error
    finally:
        # PySpark's handler calls Java, which must not happen during another call
        signal.signal(signal.SIGINT, sigint_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="shipped-") as folder:
            _ship_packages(session, Path(folder))
            yield session
    finally:
        if active_session is None:
            session.stop()


@contextmanager
def _signals_delayed() -> Iterator[None]:
    """Handle SIGINT and SIGTERM only after the body."""
    received: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def _parse_settings(settings: Sequence[str]) -> dict[str, str]:
    pairs = dict(setting.partition("=")[::2] for setting in settings)
    for key, value in pairs.items():
        if not key.startswith("spark.") or not value:
            raise SparkError(
                f"{key!r} in --conf is not a Spark setting: write spark.name=value, and separate "
                "settings with spaces."
            )
    return pairs


def _ship_packages(spark: "SparkSession", folder: Path) -> None:
    """Send the project's packages to the executors in one archive, once in a session."""
    content = {
        str(path.relative_to(PROJECT)): path.read_bytes()
        for package in SHIPPED
        for path in sorted((PROJECT / package).rglob("*.py"))
    }
    digest = hashlib.sha256(repr(content).encode()).hexdigest()[:12]
    archive_path = folder / f"loan_offers_{digest}.zip"
    context = spark.sparkContext
    if any(path.endswith(archive_path.name) for path in context.listFiles):
        return
    with zipfile.ZipFile(archive_path, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    context.addPyFile(str(archive_path))

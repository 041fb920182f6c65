"""Errors of Spark, translated into one sentence for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cli import UserError, one_line


class SparkError(UserError):
    """Spark cannot be started, or one of its jobs failed."""


class UnverifiedModel(UserError):
    """The model in an executor is not the registered version."""

    exit_code = 4


@contextmanager
def translate_spark_errors() -> Iterator[None]:
    """Translate the errors of Spark jobs, except those that are bugs in this project.

    Raises:
        UnverifiedModel: the model in an executor is not the registered version.
        SparkError: the cluster, its Python environment or an input file is at fault.
    """
    from py4j.protocol import Py4JJavaError  # here, because PySpark may not be installed
    from pyspark.errors import AnalysisException, PySparkException, PythonException

    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        for java_exception in _java_exceptions(error):
            if translation := _translate(java_exception, error):
                raise translation from error
        if isinstance(error, PythonException | AnalysisException):
            raise
        reason = root_cause(error)
        raise SparkError(f"Spark failed ({reason}): see the logs of its executors.") from error


def root_cause(error: Exception) -> str:
    """The innermost Java exception behind an error, in one line."""
    *_, innermost = error, *_java_exceptions(error)
    text = str(error) if innermost is error else str(innermost.toString())
    return one_line(text.partition("\n")[0])


def _java_exceptions(error: Exception) -> Iterator[Any]:
    """The Java exception behind an error of Py4J or PySpark, then its causes."""
    java_exception = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while java_exception is not None:
        yield java_exception
        java_exception = java_exception.getCause()


def _translate(java_exception: Any, error: Exception) -> UserError | None:
    java_class = java_exception.getClass().getName()
    if java_class == "org.apache.spark.api.python.PythonException":
        traceback = java_exception.getMessageParameters()["traceback"] or ""
        name, message = parse_worker_exception(traceback)
        if name == "spark.executor.VersionMismatch":
            return UnverifiedModel(f"{message}: check whether its artifacts were changed.")
        if name in ("ImportError", "ModuleNotFoundError"):
            return SparkError(
                f"The Python environment of the executors cannot run the model ({message}): ship "
                "this environment to them, as described in docs/scale.md."
            )
    if str(java_exception.toString()) == "java.lang.ClassNotFoundException: org.postgresql.Driver":
        setting = "--conf spark.jars=/path/to/postgresql.jar"
        return SparkError(f"Spark has no JDBC driver for PostgreSQL: add one with {setting}.")
    if java_class == "org.apache.spark.SparkException":
        condition, parameters = java_exception.getCondition(), java_exception.getMessageParameters()
        if str(condition).startswith("FAILED_READ_FILE"):
            file = parameters["path"]
            return SparkError(f"The file {file} is damaged ({root_cause(error)}): fetch it again.")
    return None


def parse_worker_exception(traceback: str) -> tuple[str, str]:
    """The qualified class name and the message of an exception in a Python worker.

    PySpark sends only the formatted traceback from the executor to the driver. The exception
    is on the first line after the last stack, whose own lines are indented.
    """
    last_stack = traceback.rpartition("Traceback (most recent call last):\n")[2]
    line = next((line for line in last_stack.splitlines() if not line.startswith(" ")), "")
    name, _, message = line.partition(": ")
    return name, message.rstrip(".")

"""Folders on any file system that Hadoop's client supports (file:, hdfs: and others)."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from spark.errors import SparkError, root_cause

PATTERN_CHARACTERS = set("*?[]{}\\")  # Spark reads a path with any of these as a pattern


class HadoopFolder:
    """A folder; the paths that its methods take are relative to it."""

    def __init__(self, spark: SparkSession, folder: str) -> None:
        """Raises SparkError: the file system is unknown, or the name is a pattern for Spark."""
        context: Any = spark.sparkContext
        self._gateway, self._hadoop = context._gateway, context._jvm.org.apache.hadoop.fs
        configuration = context._jsc.hadoopConfiguration()
        with _translate_file_errors(folder):
            path = self._hadoop.Path(folder)
            self._system = path.getFileSystem(configuration)
            self.root = str(self._system.makeQualified(path).toString())
            if characters := sorted(PATTERN_CHARACTERS.intersection(self.root)):
                raise SparkError(
                    f"The name of the folder {self.root} contains {' '.join(characters)}, which "
                    "Spark reads as a pattern: rename it."
                )
            self._context = self._hadoop.FileContext.getFileContext(
                self._hadoop.Path(self.root).toUri(), configuration
            )

    def path(self, name: str = "") -> str:
        return f"{self.root}/{name}" if name else self.root

    def exists(self, name: str = "") -> bool:
        with _translate_file_errors(self.root):
            return bool(self._system.exists(self._hadoop_path(name)))

    def list_names(self, name: str = "") -> list[str]:
        """The sorted names in a folder, which are none if it does not exist."""
        if not self.exists(name):
            return []
        with _translate_file_errors(self.root):
            statuses = self._system.listStatus(self._hadoop_path(name))
            return sorted(str(status.getPath().getName()) for status in statuses)

    def create(self, name: str) -> None:
        with _translate_file_errors(self.root):
            if not self._system.mkdirs(self._hadoop_path(name)):
                raise SparkError(f"The folder {self.root} is not writable: choose another one.")

    def remove(self, name: str = "") -> None:
        with _translate_file_errors(self.root):
            self._system.delete(self._hadoop_path(name), True)

    def rename_to_new(self, name: str, new_name: str) -> bool:
        """Rename a folder in one step; False if a folder of the new name exists already."""
        self.create(new_name.rpartition("/")[0])
        with _translate_file_errors(self.root):
            if self.root.startswith("file:"):
                return self._rename_local(name, new_name)
            no_options = self._gateway.new_array(self._hadoop.Options.Rename, 0)
            source, target = self._hadoop_path(name), self._hadoop_path(new_name)
            try:
                self._context.rename(source, target, no_options)
            except Py4JJavaError:
                if not self.exists(new_name):
                    raise
                return False
        return True

    def _rename_local(self, name: str, new_name: str) -> bool:
        """Use the system's rename: Hadoop's would move the folder into one created meanwhile."""
        source, target = (Path(self._hadoop_path(n).toUri().getPath()) for n in (name, new_name))
        try:
            source.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise SparkError(
                    f"The folder {target} cannot be created ({error.strerror})."
                ) from error
            return False
        return True

    def _hadoop_path(self, name: str) -> Any:
        return self._hadoop.Path(self.path(name))


@contextmanager
def _translate_file_errors(folder: str) -> Iterator[None]:
    """Raises SparkError instead of a Java exception."""
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        raise SparkError(
            f"The folder {folder or 'with an empty name'} cannot be used ({root_cause(error)}): "
            "choose another one."
        ) from error

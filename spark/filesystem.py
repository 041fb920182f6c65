"""Folders on whatever file system Spark reaches (file:, hdfs: …), by Hadoop's own client."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from spark.session import SparkError, root_cause

PATTERN = set("*?[]{}\\")  # where Spark reads, a path with any of these is a pattern


class HadoopFolder:
    """The file system of one folder; paths below it are given as texts relative to it."""

    def __init__(self, spark: SparkSession, folder: str) -> None:
        """Raises SparkError: there is no such file system, or Spark cannot read such a name."""
        context: Any = spark.sparkContext
        self._gateway, self._hadoop = context._gateway, context._jvm.org.apache.hadoop.fs
        configuration = context._jsc.hadoopConfiguration()
        with _explained(folder):
            path = self._hadoop.Path(folder)
            self._system = path.getFileSystem(configuration)
            self.root = str(self._system.makeQualified(path).toString())
            if found := sorted(PATTERN.intersection(self.root)):
                raise SparkError(
                    f"The folder {self.root} has {' '.join(found)} in its name, which Spark takes "
                    "for a pattern of names: rename it."
                )
            self._context = self._hadoop.FileContext.getFileContext(
                self._hadoop.Path(self.root).toUri(), configuration
            )

    def path(self, below: str = "") -> str:
        return f"{self.root}/{below}" if below else self.root

    def exists(self, below: str = "") -> bool:
        with _explained(self.root):
            return bool(self._system.exists(self._at(below)))

    def list_names(self, below: str = "") -> list[str]:
        """What a folder holds; nothing if there is no such folder."""
        if not self.exists(below):
            return []
        with _explained(self.root):
            return sorted(
                str(f.getPath().getName()) for f in self._system.listStatus(self._at(below))
            )

    def create(self, below: str) -> None:
        with _explained(self.root):
            made = self._system.mkdirs(self._at(below))
        if not made:
            raise SparkError(f"The folder {self.root} cannot be written to: name another one.")

    def remove(self, below: str = "") -> None:
        with _explained(self.root):
            self._system.delete(self._at(below), True)

    def rename_to_new(self, below: str, to: str) -> bool:
        """Rename a folder, all of it at once; False if there is one of the new name already."""
        self.create(to.rpartition("/")[0])
        with _explained(self.root):
            if self.root.startswith("file:"):
                return self._rename_here(below, to)
            none = self._gateway.new_array(self._hadoop.Options.Rename, 0)
            try:
                self._context.rename(self._at(below), self._at(to), none)
            except Py4JJavaError:
                if not self.exists(to):
                    raise
                return False
        return True

    def _rename_here(self, below: str, to: str) -> bool:
        """Let the system rename it: Hadoop would copy into a folder that came in between."""
        here, there = (Path(self._at(path).toUri().getPath()) for path in (below, to))
        try:
            here.rename(there)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise SparkError(
                    f"The folder {there} cannot be made ({error.strerror})."
                ) from error
            return False
        return True

    def _at(self, below: str) -> Any:
        return self._hadoop.Path(self.path(below))


@contextmanager
def _explained(folder: str) -> Iterator[None]:
    """Turn what the file system says into one sentence.

    Raises:
        SparkError: always instead of an exception of Java.
    """
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        named = folder or "of no name"
        raise SparkError(
            f"The folder {named} cannot be used ({root_cause(error)}): name another one."
        ) from error

"""Create the file of a SQLite database, detect that it was replaced, and remove it if empty."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError


class DatabaseFile:
    """The file of a SQLite database that this process has open."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Create the file if it is missing and `create` is true. Raises OSError."""
        self._path = path.absolute()
        self._real_path = Path(os.path.realpath(path))  # SQLite follows links as well
        self._created = False
        if create:
            # O_EXCL: of several processes only one creates the file, and may remove it again
            with suppress(FileExistsError):
                os.close(os.open(self._real_path, os.O_CREAT | os.O_EXCL, 0o644))
                self._created = True
        self._identity = self._read_identity()

    def watch(self, engine: Engine) -> None:
        """Check the file whenever this engine connects, begins a transaction or commits it."""
        for name in ("do_connect", "begin", "commit"):  # "commit" fires before the COMMIT
            event.listen(engine, name, self.check)

    def check(self, *_: object) -> None:
        """Raise SQLite's own OperationalError if the path leads to another file, or to none."""
        with suppress(OSError):
            if self._read_identity() == self._identity:
                return
        error = sqlite3.OperationalError(
            "its file was deleted or replaced while it was open, so nothing more can be stored: "
            "put the file back and start again"
        )
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY_DBMOVED
        raise OperationalError(None, None, error)

    def remove_if_empty(self) -> None:
        """Remove the file if this process created it, it has no table, and no other has it open.

        This process holds SQLite's exclusive lock while it removes the file. A process that has
        opened the file but not yet read it notices the removal by `check`.
        """
        if not self._created:
            return
        uri = f"{self._real_path.as_uri()}?mode=rw"
        with (
            # these errors mean that another process has the file open, or has removed it
            suppress(sqlite3.Error, OperationalError),
            closing(sqlite3.connect(uri, 0, uri=True, isolation_level=None)) as connection,
        ):
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=DELETE")  # removes the -wal and -shm files
            connection.execute("BEGIN EXCLUSIVE")
            self.check()
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                self._real_path.unlink()

    def _read_identity(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

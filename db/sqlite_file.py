"""The file of a SQLite database: created, and removed again if nothing was stored in it."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path


class DatabaseFile:
    """The file of a database that this process opens."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Create the file if it is missing and `create` says so. Raises OSError."""
        self._path = Path(os.path.realpath(path))  # SQLite, too, follows links
        self._created = False
        if create:
            # only one of several processes creates it, and that one may remove it again
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o644))
                self._created = True

    def discard_if_empty(self) -> None:
        """Remove the file if this process created it, no other has it open, and it has no table.

        While it is removed, this process holds SQLite's exclusive lock on it.
        """
        if not self._created:
            return
        address = f"{self._path.as_uri()}?mode=rw"
        with (
            suppress(sqlite3.Error),  # it is locked: another process has it open
            closing(sqlite3.connect(address, 0, uri=True, isolation_level=None)) as connection,
        ):
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=DELETE")  # so that no -wal and -shm stay
            connection.execute("BEGIN EXCLUSIVE")
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                self._path.unlink()

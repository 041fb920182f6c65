"""The file of a SQLite database: created, compared while it is open, and removed if empty."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError


class DatabaseFile:
    """The file of a database that this process opens."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Create the file if it is missing and `create` says so. Raises OSError."""
        self._path = path.absolute()
        self._file = Path(os.path.realpath(path))  # SQLite, too, follows links
        self._created = False
        if create:
            # only one of several processes creates it, and that one may remove it again
            with suppress(FileExistsError):
                os.close(os.open(self._file, os.O_CREAT | os.O_EXCL, 0o644))
                self._created = True
        self._identity = self._identity_now()

    def watch(self, engine: Engine) -> None:
        """Check the file whenever this engine connects, begins a transaction or commits it."""
        for moment in ("do_connect", "begin", "commit"):  # "commit" comes before the COMMIT
            event.listen(engine, moment, self.check)

    def check(self, *_: object) -> None:
        """Raises OperationalError, as SQLite can do: another file, or none, has its path now."""
        with suppress(OSError):
            if self._identity_now() == self._identity:
                return
        error = sqlite3.OperationalError(
            "its file was deleted or replaced while it was open, so nothing more can be stored in "
            "it: put the file back, and start again"
        )
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY_DBMOVED
        raise OperationalError(None, None, error)

    def remove_if_empty(self) -> None:
        """Remove the file if this process created it, no other has it open, and it has no table.

        While it is removed, this process holds SQLite's exclusive lock on it. A process that
        opened it, but did not yet read it, finds out by `check`.
        """
        if not self._created:
            return
        address = f"{self._file.as_uri()}?mode=rw"
        with (
            # another process has it open, or has removed it
            suppress(sqlite3.Error, OperationalError),
            closing(sqlite3.connect(address, 0, uri=True, isolation_level=None)) as connection,
        ):
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=DELETE")  # so that no -wal and -shm stay
            connection.execute("BEGIN EXCLUSIVE")
            self.check()
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
                self._file.unlink()

    def _identity_now(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

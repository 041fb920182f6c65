"""Who may ask: bearer tokens, of which a file keeps only the hashes, one `NAME SHA256` a line.

A token is 256 random bits, which nobody guesses, so that one round of SHA-256 is enough for it.
"""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from cli import UserError

LINE = re.compile(r"(\S+) ([0-9a-f]{64})")
NAME = re.compile(r"[\w.-]{1,64}")


class TokenError(UserError):
    """The file of tokens cannot be used."""


def issue(file: Path, name: str) -> str:
    """A new token, whose hash is added to the file under this name; it is kept nowhere.

    Raises:
        TokenError: the file cannot be read or written, or has that name already.
    """
    if not NAME.fullmatch(name):
        raise TokenError(f"{name!r} cannot name a token: take up to 64 letters, digits, . _ and -.")
    known, fault = _read(file) if file.exists() else ({}, "")
    if fault:
        raise TokenError(fault)
    if name in known.values():
        raise TokenError(f"{file} has a token {name!r} already: remove its line, or name another.")
    token = secrets.token_urlsafe(32)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as lines:
            before = lines.read()
            ended = "" if not before or before.endswith("\n") else "\n"
            lines.write(f"{ended}{name} {_hash(token)}\n")
    except OSError as error:
        raise TokenError(f"{file} cannot be written ({error.strerror}).") from error
    return token


def read(file: Path) -> dict[str, str]:
    """The name of each hash in the file.

    Raises:
        TokenError: it cannot be read, holds no token, or something else than tokens.
    """
    found, fault = _read(file)
    if fault:
        raise TokenError(fault)
    if not found:
        raise TokenError(f"{file} holds no token: add one with --new-token NAME.")
    return found


def _read(file: Path) -> tuple[dict[str, str], str]:
    """The tokens that the file holds, and what is wrong with a line that is none."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise TokenError(
            f"The file of tokens {file} cannot be read ({reason}): make one with "
            f"`python serve.py --tokens {file} --new-token NAME`."
        ) from error
    found, fault = {}, ""
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := LINE.fullmatch(line.strip()):
            found[match[2]] = match[1]
        else:
            fault = f"Line {number} of {file} is not `NAME SHA256`: add tokens with --new-token."
    return found, fault


class TokenFile:
    """The tokens of a file, read again when it changes: whose line is gone may ask no more.

    While the file cannot be read, those count that it had before; in a worker that starts, nobody.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self._names: dict[str, str] = {}
        self.error = "not read yet"  # what is wrong with the file
        self.refresh()

    def authenticate(self, authorization: str) -> str | None:
        """The name that a request's Authorization header belongs to, or None."""
        self.refresh()
        scheme, _, token = authorization.partition(" ")
        given, holder = _hash(token.strip()), None
        for known, name in self._names.items():  # all of them, always: time tells nothing
            if hmac.compare_digest(known, given) and scheme.lower() == "bearer":
                holder = name
        return holder

    def refresh(self) -> None:
        """Read the file again if it changed, or could not be read."""
        state = self._state()
        if state == self._seen and not self.error:  # what failed may work now
            return
        self._seen = state
        try:
            self._names, self.error = _read(self._file)
        except TokenError as error:
            self.error = str(error)

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()

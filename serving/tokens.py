"""Bearer tokens: a file contains the SHA-256 hash of each token, one `NAME SHA256` per line.

A token has 256 random bits and cannot be guessed, so a single round of SHA-256 is enough.
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
    """The token file cannot be used."""


def issue(file: Path, name: str) -> str:
    """Create a token, and add its hash to the file under this name.

    Raises:
        TokenError: the file cannot be read or written, or already has a token of this name.
    """
    if not NAME.fullmatch(name):
        raise TokenError(f"{name!r} cannot name a token: use up to 64 letters, digits, . _ and -.")
    names, fault = _read(file) if file.exists() else ({}, "")
    if fault:
        raise TokenError(fault)
    if name in names.values():
        raise TokenError(f"{file} already has a token {name!r}: choose another name.")
    token = secrets.token_urlsafe(32)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as lines:
            before = lines.read()
            line_end = "" if not before or before.endswith("\n") else "\n"
            lines.write(f"{line_end}{name} {_hash(token)}\n")
    except OSError as error:
        raise TokenError(f"{file} cannot be written ({error.strerror}).") from error
    return token


def read(file: Path) -> dict[str, str]:
    """The name of each hash in the file.

    Raises:
        TokenError: the file cannot be read, has no token, or has a malformed line.
    """
    names, fault = _read(file)
    if fault:
        raise TokenError(fault)
    if not names:
        raise TokenError(f"{file} has no token: add one with --new-token NAME.")
    return names


def _read(file: Path) -> tuple[dict[str, str], str]:
    """The name of each hash in the file, and what is wrong with a malformed line, or ""."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise TokenError(
            f"The token file {file} cannot be read ({reason}): create it with "
            f"`python serve.py --tokens {file} --new-token NAME`."
        ) from error
    names, fault = {}, ""
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := LINE.fullmatch(line.strip()):
            names[match[2]] = match[1]
        else:
            fault = f"Line {number} of {file} is not `NAME SHA256`: add tokens with --new-token."
    return names, fault


class TokenFile:
    """The tokens of a file, which is read again whenever it changes.

    While the file cannot be read, the tokens that were read last remain valid.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._last_state: tuple[int, int, int] | None = None
        self._names: dict[str, str] = {}
        self.error = "not read yet"  # what is wrong with the file
        self.refresh()

    def authenticate(self, authorization: str) -> str | None:
        """The name of the token in an Authorization header, or None if the token is not valid."""
        self.refresh()
        scheme, _, token = authorization.partition(" ")
        token_hash, token_name = _hash(token.strip()), None
        for known_hash, name in self._names.items():  # always all, so that the time reveals nothing
            if hmac.compare_digest(known_hash, token_hash) and scheme.lower() == "bearer":
                token_name = name
        return token_name

    def refresh(self) -> None:
        """Read the file again if it has changed, or could not be read."""
        state = self._state()
        if state == self._last_state and not self.error:
            return
        self._last_state = state
        try:
            self._names, self.error = _read(self._file)
        except TokenError as error:
            self.error = str(error)

    def _state(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()

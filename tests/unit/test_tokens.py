"""The token file contains only hashes, and is read again when it changes."""

from pathlib import Path

import pytest

import serve
from serving import tokens
from serving.tokens import TokenError, TokenFile
from tests.support.scripts import run_main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.txt"


def test_new_token_prints_the_token_and_stores_only_its_hash(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(serve.main, "--tokens", file, "--new-token", "scoring") == 0
    output = capsys.readouterr()
    token = output.out.strip()
    assert TokenFile(file).authenticate(f"Bearer {token}") == "scoring"
    assert token not in file.read_text() + output.err
    assert file.stat().st_mode & 0o077 == 0


def test_the_name_of_a_token_is_unique(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens.issue(file, "scoring")
    before = file.read_text()
    assert run_main(serve.main, "--tokens", file, "--new-token", "scoring") == 2
    assert "already has a token 'scoring'" in capsys.readouterr().err
    assert file.read_text() == before


@pytest.mark.parametrize("header", ["{}", "Basic {}", "Bearer", "Bearer {}x", "Bearer \udcff", ""])
def test_only_the_exact_token_is_accepted(file: Path, header: str) -> None:
    token = tokens.issue(file, "scoring")
    assert TokenFile(file).authenticate(header.format(token)) is None
    assert TokenFile(file).authenticate(f"bearer {token}") == "scoring"


def test_tokens_are_added_and_removed_while_the_file_is_in_use(file: Path) -> None:
    first = tokens.issue(file, "scoring")
    token_file = TokenFile(file)
    second = tokens.issue(file, "form")
    assert token_file.authenticate(f"Bearer {first}") == "scoring"
    assert token_file.authenticate(f"Bearer {second}") == "form"
    file.write_text(file.read_text().splitlines()[1])  # without a line end
    assert token_file.authenticate(f"Bearer {first}") is None
    assert token_file.authenticate(f"Bearer {second}") == "form"
    again = tokens.issue(file, "scoring")
    assert token_file.authenticate(f"Bearer {again}") == "scoring"
    assert token_file.authenticate(f"Bearer {second}") == "form"
    file.write_text("")
    assert token_file.authenticate(f"Bearer {again}") is None


def test_a_malformed_line_is_reported_and_the_other_tokens_are_valid(file: Path) -> None:
    token = tokens.issue(file, "scoring")
    file.write_text(f"nonsense\n{file.read_text()}")
    token_file = TokenFile(file)
    assert token_file.authenticate(f"Bearer {token}") == "scoring"
    assert token_file.error.startswith(f"Line 1 of {file}")
    with pytest.raises(TokenError, match="Line 1 of"):
        tokens.issue(file, "form")


def test_tokens_stay_valid_while_the_file_is_missing(file: Path, tmp_path: Path) -> None:
    token = tokens.issue(file, "scoring")
    token_file = TokenFile(file)
    moved = file.rename(tmp_path / "moved.txt")
    assert token_file.authenticate(f"Bearer {token}") == "scoring"
    assert "cannot be read" in token_file.error
    assert TokenFile(file).authenticate(f"Bearer {token}") is None  # a new worker has no tokens
    moved.write_text("")
    moved.rename(file)
    assert token_file.authenticate(f"Bearer {token}") is None
    assert not token_file.error

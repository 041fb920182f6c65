"""The file of tokens: it keeps only hashes, and changes are taken up."""

from pathlib import Path

import pytest

import serve
from serving import tokens
from serving.tokens import TokenError, TokenFile
from tests.support.scripts import run_main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.txt"


def test_new_token_prints_the_token_and_keeps_only_its_hash(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(serve.main, "--tokens", file, "--new-token", "scoring") == 0
    output = capsys.readouterr()
    token = output.out.strip()
    assert TokenFile(file).authenticate(f"Bearer {token}") == "scoring"
    assert token not in file.read_text() + output.err
    assert file.stat().st_mode & 0o077 == 0


def test_a_name_is_given_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens.issue(file, "scoring")
    before = file.read_text()
    assert run_main(serve.main, "--tokens", file, "--new-token", "scoring") == 2
    assert "has a token 'scoring' already" in capsys.readouterr().err
    assert file.read_text() == before


@pytest.mark.parametrize("header", ["{}", "Basic {}", "Bearer", "Bearer {}x", "Bearer \udcff", ""])
def test_only_the_token_itself_is_accepted(file: Path, header: str) -> None:
    token = tokens.issue(file, "scoring")
    assert TokenFile(file).authenticate(header.format(token)) is None
    assert TokenFile(file).authenticate(f"bearer {token}") == "scoring"


def test_tokens_are_added_and_removed_while_the_file_is_in_use(file: Path) -> None:
    first = tokens.issue(file, "scoring")
    in_use = TokenFile(file)
    second = tokens.issue(file, "form")
    assert in_use.authenticate(f"Bearer {first}") == "scoring"
    assert in_use.authenticate(f"Bearer {second}") == "form"
    file.write_text(file.read_text().splitlines()[1])  # and no line end
    assert in_use.authenticate(f"Bearer {first}") is None
    assert in_use.authenticate(f"Bearer {second}") == "form"
    again = tokens.issue(file, "scoring")
    assert in_use.authenticate(f"Bearer {again}") == "scoring"
    assert in_use.authenticate(f"Bearer {second}") == "form"
    file.write_text("")
    assert in_use.authenticate(f"Bearer {again}") is None


def test_a_line_that_is_no_token_is_reported_and_the_others_count(file: Path) -> None:
    token = tokens.issue(file, "scoring")
    file.write_text(f"nonsense\n{file.read_text()}")
    in_use = TokenFile(file)
    assert in_use.authenticate(f"Bearer {token}") == "scoring"
    assert in_use.error.startswith(f"Line 1 of {file}")
    with pytest.raises(TokenError, match="Line 1 of"):
        tokens.issue(file, "form")


def test_while_the_file_is_gone_the_tokens_that_it_had_count(file: Path, tmp_path: Path) -> None:
    token = tokens.issue(file, "scoring")
    in_use = TokenFile(file)
    away = file.rename(tmp_path / "away.txt")
    assert in_use.authenticate(f"Bearer {token}") == "scoring"
    assert "cannot be read" in in_use.error
    assert TokenFile(file).authenticate(f"Bearer {token}") is None  # in a worker that starts
    away.write_text("")
    away.rename(file)
    assert in_use.authenticate(f"Bearer {token}") is None
    assert not in_use.error

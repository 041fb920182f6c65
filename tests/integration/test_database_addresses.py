"""A database that cannot be used is refused in one sentence, without its password."""

from pathlib import Path

import pytest

from tests.support.source_files import load_source


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://u@h/d", "type 'mysql' is not supported"),
        ("mssql+pyodbc://u:secret@h/d", "is not supported"),
        ("nonsense://", "is not supported"),
        ("postgresql://u:secret@word@h/d", "contains an extra @"),
        ("sqlite:///nowhere/at/all.db", "There is no folder nowhere/at"),
        ("sqlite://", "An in-memory database"),
        ("postgresql://u:secret@127.0.0.1:1/d", "cannot be used"),
        ("postgresql://u@127.0.0.1:1/d?password=secret", "cannot be used"),
        ("postgresql+psycopg2://u:secret@h/d", "is not supported"),
        ("postgresql://u:p@ss:w/rd secret@h:port/d", "write @ as %40"),
        ("postgresql://u@127.0.0.1:1/d?ssl=true", 'invalid connection option "ssl"'),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_in_one_sentence(
    url: str, expected: str, small_source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert load_source(small_source, url) == 2
    error = capfd.readouterr().err
    assert expected in error
    assert "secret" not in error
    assert error.count("\n") == 1


def test_a_file_that_is_not_a_database_is_refused_and_not_changed(
    small_source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear lender, " * 400)
    assert load_source(small_source, str(letter)) == 2
    error = capfd.readouterr().err
    assert "not a database" in error
    assert error.count("\n") == 1
    assert letter.read_text() == "Dear lender, " * 400

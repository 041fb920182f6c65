"""Unusual paths, such as loops, long names and odd characters, load or end with one sentence."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support.databases import query
from tests.support.source_files import OFFERS, load_source

LOOP, LONG, NOT_UTF8 = "loop", "a" * 5_000, os.fsdecode(b"b\xffd")


@pytest.fixture(autouse=True)
def odd_paths(source: Path) -> None:
    """Create a link to itself and copies of the source with odd names in the current folder."""
    Path(LOOP).symlink_to(LOOP)
    for name in ("new\nline", NOT_UTF8):
        shutil.copytree(source, name)


@pytest.mark.parametrize(
    ("flag", "path", "expected"),
    [
        ("--source", LOOP, "There is no folder"),
        ("--source", f"{LOOP}/{OFFERS}", "There is no folder"),
        ("--source", LONG, "File name too long"),
        ("--source", NOT_UTF8, "not valid UTF-8"),
        ("--source", "no\nfolder", "no\\nfolder: give one"),
        ("--results", LOOP, "holds no results"),
        ("--results", LONG, "File name too long"),
        ("--problem", LONG, "File name too long"),
        ("--database", LOOP, "Too many levels of symbolic links"),
        ("--database", LONG, "File name too long"),
        ("--database", f"{LONG}/a.db", "File name too long"),
        ("--database", f"{NOT_UTF8}/a.db", "not valid UTF-8"),
        ("--database", "no\nfolder/a.db", "There is no folder no\\nfolder"),
    ],
)
def test_a_path_that_cannot_be_used_ends_with_one_sentence(
    flag: str, path: str, expected: str, source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # if a flag is repeated, the last value counts
    flags = ("--source", "") if flag == "--results" else ()
    assert load_source(source, "test.db", *flags, flag, path) == 2
    error = capfd.readouterr().err
    assert expected in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_a_path_with_a_line_break_loads() -> None:
    assert load_source(Path("new\nline"), "new\nbase.db") == 0
    assert query("new\nbase.db", "SELECT source FROM loads") == [(f"{Path.cwd()}/new\nline",)]

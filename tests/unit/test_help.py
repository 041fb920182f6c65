"""Help texts are wrapped at the terminal's width."""

import pytest

from cli import flags

DESCRIPTION = """Describe a script in a sentence that is longer than a line of the terminal.

    python script.py --verbatim   # this line is kept as it is, even if it is too long

A list:
- its first item is also longer than a line of this terminal
- its second item
"""
EXPECTED = """
Describe a script in a sentence that is longer than a line
of the terminal.

    python script.py --verbatim   # this line is kept as it is, even if it is too long

A list:
- its first item is also longer than a line of this
  terminal
- its second item

"""


def test_paragraphs_and_list_items_are_wrapped_and_indented_lines_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert EXPECTED in flags.argument_parser(DESCRIPTION).format_help()


def test_flags_in_help_texts_are_not_broken_at_hyphens(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = flags.argument_parser("")
    parser.add_argument(
        "--cost", help="the value of --cost-false-negative and --cost-false-positive"
    )
    for columns in range(50, 90):
        monkeypatch.setenv("COLUMNS", str(columns))
        help = parser.format_help()
        assert "--cost-false-negative" in help
        assert "--cost-false-positive" in help

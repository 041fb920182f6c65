"""Texts of others in our messages, such as a server's response."""

import pytest

from cli import one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("disk full.\nHINT: free some space.", "disk full. HINT: free some space"),
        ("\x1b[2J all is well", "\\x1b[2J all is well"),
        ("x " * 100, "x x x x …"),
        ("größer als ½", "größer als ½"),
    ],
)
def test_a_text_is_shown_on_one_line_without_control_characters(text: str, shown: str) -> None:
    assert one_line(text, 9 if len(text) > 100 else 300) == shown

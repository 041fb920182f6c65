"""Texts in the form's CSV file that a spreadsheet could run as formulas."""

import pytest

from form.app import escape_formula


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\r\n", "car;", "car, ", 'car"', "a\n b|"])
def test_a_text_that_starts_a_formula_gets_an_apostrophe(before: str, begin: str) -> None:
    assert escape_formula(f"{before}{begin}1") == f"{before}'{begin}1"


@pytest.mark.parametrize(
    "value", ["debt_consolidation", "a=b", "x-y", "me@here", "1 + 1", "", "a - b", -1.5, None, 2]
)
def test_other_values_are_unchanged(value: object) -> None:
    assert escape_formula(value) == value

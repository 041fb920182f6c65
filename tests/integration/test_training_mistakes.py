"""train.py describes mistakes in a flat file or in its flags in one sentence."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import problems
import train
from tests.support.datasets import generated_rows
from tests.support.scripts import run_main

LABEL = "clicked"
FILE = ("--table", "rows.csv", "--label", LABEL)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """A few valid rows; each case makes a mistake in them or in the flags."""
    columns = [*problems.load().feature_names, "lender_id", LABEL]
    return generated_rows(1_000, seed=4)[columns].astype({LABEL: int})


@pytest.mark.parametrize(
    ("change", "flags", "message"),
    [
        ({}, ("--table", "rows.csv"), "Give --table and --label together"),
        ({}, ("--label", LABEL), "Give --table and --label together"),
        ({}, ("--table", "none.csv", "--label", LABEL), "There is no file none.csv"),
        ({}, ("--table", "rows.csv", "--label", "apr"), "The label 'apr' is a feature"),
        ({}, ("--table", "rows.csv", "--label", "late"), "column late of rows.csv must be a whole"),
        ({"apr": "cheap"}, FILE, "rejected, more than 1%: apr is not a number (row 1)"),
        ({LABEL: 2}, FILE, "clicked is above 1 (row 1)"),
        ({LABEL: 1}, FILE, "at least 10 of each are needed"),
        ({}, (*FILE, "--also", "iq"), "no optional column iq: available are lender_id"),
        ({}, (*FILE, "--also", "apr"), "no optional column apr: available are lender_id"),
        (
            {},
            (*FILE, "--threshold-rule", "cost", "--cost-false-positive", "0"),
            "must be finite numbers greater than 0",
        ),
    ],
)
def test_a_mistake_is_described_in_one_sentence_and_creates_no_store(
    change: dict[str, Any],
    flags: tuple[str, ...],
    message: str,
    rows: pd.DataFrame,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows.assign(**change).to_csv("rows.csv", index=False)
    assert run_main(train.main, *flags) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("mlflow.db").exists()

"""Training rows are read from one flat file instead of a database."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import problems
from db.readers import SourceError
from tests.support.datasets import generated_rows
from training import dataset, flat_file
from training.dataset import Dataset

PROBLEM = problems.load()
LABEL = "clicked"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Generated offers with the columns of their leads."""
    return generated_rows(1_500, seed=1).drop(columns="probability")


@pytest.fixture(scope="module")
def without_key(rows: pd.DataFrame) -> pd.DataFrame:
    """The features, an optional column and the label, without key and group."""
    return rows[[*PROBLEM.feature_names, "lender_id", LABEL]]


def write_and_read(rows: pd.DataFrame, path: Path) -> Dataset:
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path, index=False)
    return flat_file.read(path, LABEL, PROBLEM)


def test_rows_of_a_lead_stay_together_if_the_file_has_lead_keys(
    rows: pd.DataFrame, tmp_path: Path
) -> None:
    data = write_and_read(rows, tmp_path / "rows.csv")
    assert data.group_column == "lead_uuid"
    assert not set(data.train.group) & set(data.test.group)
    assert set(data.train.group) | set(data.test.group) == set(rows["lead_uuid"])
    assert data.problem.ranking_baseline == PROBLEM.ranking_baseline


def test_equal_rows_stay_together_if_the_file_has_no_lead_keys(
    rows: pd.DataFrame, tmp_path: Path
) -> None:
    without_lead = rows.drop(columns="lead_uuid")
    data = write_and_read(pd.concat([without_lead, without_lead]), tmp_path / "twice.parquet")
    assert data.group_column == "content"
    assert len(data.raw) == 2 * len(rows)
    assert not set(data.train.group) & set(data.test.group)
    assert data.problem.ranking_baseline == ""  # it is unknown which rows compete


def test_integer_codes_are_read_as_texts(without_key: pd.DataFrame, tmp_path: Path) -> None:
    without_key.to_parquet(tmp_path / "rows.parquet")
    problem = PROBLEM.with_optional_columns(["lender_id"])
    data = flat_file.read(tmp_path / "rows.parquet", LABEL, problem)
    assert set(data.categories["lender_id"]) <= set(without_key["lender_id"].astype(str))
    assert "327" in data.categories["lender_id"]


def test_the_digest_covers_every_row_in_any_order(
    without_key: pd.DataFrame, tmp_path: Path
) -> None:
    data = write_and_read(without_key, tmp_path / "rows.parquet")
    reversed_rows = write_and_read(without_key.iloc[::-1], tmp_path / "reversed.parquet")
    assert reversed_rows.digest == data.digest
    apr = without_key["apr"].to_numpy(copy=True)
    apr[-1] += 1
    changed = write_and_read(without_key.assign(apr=apr), tmp_path / "changed.parquet")
    assert changed.digest != data.digest


def test_a_few_invalid_rows_are_skipped_with_a_warning(
    without_key: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_invalid_row = without_key.astype({"apr": object}).reset_index(drop=True)
    with_invalid_row.loc[7, "apr"] = "cheap"
    data = write_and_read(with_invalid_row, tmp_path / "rows.csv")
    assert len(data.raw) == len(without_key) - 1
    warning = capsys.readouterr().err
    assert f"1 of {len(without_key):,} rows of rows.csv were rejected" in warning
    assert "not used: apr is not a number (row 8)" in warning


def test_the_database_id_of_a_flat_file_depends_on_the_label(
    without_key: pd.DataFrame, tmp_path: Path
) -> None:
    rich = without_key["annual_income"] > 50_000
    without_key.assign(rich=rich).to_parquet(tmp_path / "rows.parquet")
    by_click, by_income = (
        flat_file.read(tmp_path / "rows.parquet", label, PROBLEM).trained_on
        for label in (LABEL, "rich")
    )
    assert by_click.database_id != by_income.database_id


def test_the_number_of_categories_is_limited_for_a_column_of_ids(
    without_key: pd.DataFrame, tmp_path: Path
) -> None:
    numbers = np.arange(len(without_key))
    ids = np.where(numbers % 2, numbers.astype(str), "common")
    data = write_and_read(without_key.assign(credit=ids), tmp_path / "rows.csv")
    assert len(data.categories["credit"]) == dataset.MAX_CATEGORIES
    assert "common" in data.categories["credit"]


def test_a_text_file_with_the_extension_of_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_text("apr,clicked\n1,1\n")
    with pytest.raises(SourceError, match="not a complete Parquet file"):
        flat_file.read(path, LABEL, PROBLEM)

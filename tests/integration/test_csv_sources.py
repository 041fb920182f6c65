"""CSV sources, and rows without keys, load as reliably as Parquet sources with keys."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from db.engine import database_url, open_database
from tests.support.databases import all_rows
from tests.support.source_files import (
    CLICKS,
    LEADS,
    LOANS,
    OFFERS,
    edit_loans,
    load_loans,
    load_source,
    read_loans,
    set_value,
)


def stored_loans(database: str) -> pd.DataFrame:
    with open_database(database_url(database)) as engine:
        return pd.read_sql("SELECT * FROM loans", engine)


def source_tables(database: str) -> dict[str, Any]:
    """The rows of the database's source tables."""
    names = ("leads", "offers", "clicks", "loans")
    return {name: rows for name, rows in all_rows(database).items() if name in names}


def test_loans_from_csv_are_stored_unchanged(loan_source: Path, database: str) -> None:
    assert load_loans(loan_source, database) == 0
    expected = pd.read_csv(loan_source / LOANS, keep_default_na=False, na_values=[""])
    order = list(expected.columns)
    stored = stored_loans(database)[order]
    pd.testing.assert_frame_equal(
        stored.sort_values(order, ignore_index=True),
        expected.sort_values(order, ignore_index=True),
        check_dtype=False,
    )
    assert stored["emp_length"].isna().any()


@pytest.mark.parametrize("extension", ["parquet", "parquet.gzip", "csv.gz"])
def test_every_format_gives_the_same_rows_with_the_same_keys(
    extension: str, loan_source: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    frame = pd.read_csv(loan_source / LOANS)
    if extension == "csv.gz":
        frame.to_csv(other / f"peer_loans.{extension}", index=False)
    else:
        frame.to_parquet(other / f"peer_loans.{extension}", index=False)
    from_csv, from_other = (f"sqlite:///{tmp_path / name}.db" for name in ("csv", "other"))
    assert load_loans(loan_source, from_csv) == 0
    assert load_loans(other, from_other) == 0
    assert source_tables(from_csv) == source_tables(from_other) != {"loans": []}


def test_offers_from_csv_are_those_from_parquet(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in (LEADS, OFFERS, CLICKS):
        frame = pd.read_parquet(source / file)
        frame.to_csv(other / file.replace(".parquet.gzip", ".csv"), index=False)
    from_csv, from_parquet = (f"sqlite:///{tmp_path / name}.db" for name in ("csv", "parquet"))
    assert load_source(other, from_csv) == 0
    assert load_source(source, from_parquet) == 0
    assert source_tables(from_csv) == source_tables(from_parquet)


def test_the_source_may_be_a_single_file(loan_source: Path, tmp_path: Path) -> None:
    file = (loan_source / LOANS).rename(tmp_path / "my book.csv")
    database = f"sqlite:///{tmp_path / 'a.db'}"
    assert load_loans(file, database) == 0
    assert len(stored_loans(database)) == len(pd.read_csv(file))


def test_equal_rows_get_different_keys_and_loading_them_twice_changes_nothing(
    loan_source: Path, database: str
) -> None:
    edit_loans(loan_source, lambda f: pd.concat([f, f.head(3), f.head(1)]))
    assert load_loans(loan_source, database) == 0
    before = all_rows(database)
    assert load_loans(loan_source, database) == 0
    assert all_rows(database) == before
    stored = stored_loans(database)
    assert len(stored) == len(read_loans(loan_source))
    first = stored.merge(read_loans(loan_source).head(1)[["annual_inc"]].astype(float))
    keys = {key.partition("-")[0] for key in first["loan_key"]}
    assert {f"{key}{nth}" for key in keys for nth in ("", "-2", "-3")} >= set(first["loan_key"])
    assert (stored["loan_key"].str.len() > 32).sum() == 4


def test_the_order_of_rows_and_columns_changes_nothing(loan_source: Path, database: str) -> None:
    edit_loans(loan_source, lambda f: pd.concat([f, f.head(3)]))
    load_loans(loan_source, database)
    before = source_tables(database)
    edit_loans(loan_source, lambda f: f.iloc[::-1, ::-1].assign(more="x"))
    assert load_loans(loan_source, database) == 0
    assert source_tables(database) == before


def test_texts_for_missing_values_are_nulls_except_in_text_columns(
    loan_source: Path, sqlite_database: str
) -> None:
    edit_loans(loan_source, set_value("revol_util", 0, "NA"))
    edit_loans(loan_source, set_value("dti", 0, "n/a"))
    edit_loans(loan_source, set_value("emp_length", 0, "n/a"))
    edit_loans(loan_source, set_value("loan_amnt", 0, " 777.25 "))
    assert load_loans(loan_source, sqlite_database) == 0
    row = stored_loans(sqlite_database).query("loan_amnt == 777.25").iloc[0]
    assert row["emp_length"] == "n/a"
    assert pd.isna(row["revol_util"])
    assert pd.isna(row["dti"])


def test_rounded_numbers_and_labels_written_as_true_and_false_load(
    loan_source: Path, database: str
) -> None:
    late = read_loans(loan_source)["is_late"]
    edit_loans(loan_source, lambda f: f.assign(is_late=late.map({"1": "True", "0": "False"})))
    edit_loans(loan_source, set_value("loan_amnt", 0, "9007199254740993"))
    assert load_loans(loan_source, database) == 0
    assert stored_loans(database)["is_late"].sum() == (late == "1").sum()
    assert stored_loans(database)["loan_amnt"].max() == 2.0**53

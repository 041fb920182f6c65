"""Sources as CSV, and rows that bring no key: the same promises as Parquet files with keys."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import insert, text

import ingest
import problems
import train
from db.engine import database_url, opened
from db.tables import model_versions, utc_now
from tests.helpers import run_main
from tests.sources import CLICKS, LEADS, OFFERS, content, load

LOANS = "peer_loans.csv"
FEATURES = problems.load("loan_risk").feature_names


def load_loans(source: Path, database: str, *flags: object) -> int:
    return load(source, database, "--problem", "loan_risk", *flags)


def read(source: Path) -> pd.DataFrame:
    return pd.read_csv(source / LOANS, dtype=str, keep_default_na=False)


def change(source: Path, how: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    how(read(source)).to_csv(source / LOANS, index=False)


def put(column: str, row: int, value: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def how(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[row, column] = value
        return frame

    return how


def loans(database: str) -> pd.DataFrame:
    with opened(database_url(database)) as engine:
        return pd.read_sql("SELECT * FROM loans", engine)


def tables(database: str) -> dict[str, Any]:
    """What is in the database's source tables."""
    found = content(database)
    return {name: found[name] for name in ("leads", "offers", "clicks", "loans") if name in found}


def test_loans_from_csv_arrive_unchanged(loan_source: Path, database: str) -> None:
    assert load_loans(loan_source, database) == 0
    expected = pd.read_csv(loan_source / LOANS, keep_default_na=False, na_values=[""])
    found = loans(database)[expected.columns]
    order = list(expected.columns)
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True),
        expected.sort_values(order, ignore_index=True),
        check_dtype=False,
    )
    assert found["emp_length"].isna().any()


@pytest.mark.parametrize("ending", ["parquet", "parquet.gzip", "csv.gz"])
def test_every_format_gives_the_same_rows_with_the_same_keys(
    ending: str, loan_source: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    frame = pd.read_csv(loan_source / LOANS)
    if ending == "csv.gz":
        frame.to_csv(other / f"peer_loans.{ending}", index=False)
    else:
        frame.to_parquet(other / f"peer_loans.{ending}", index=False)
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("csv", "other")]
    assert load_loans(loan_source, urls[0]) == 0
    assert load_loans(other, urls[1]) == 0
    assert tables(urls[0]) == tables(urls[1])


def test_offers_from_csv_are_those_from_parquet(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in (LEADS, OFFERS, CLICKS):
        frame = pd.read_parquet(source / file)
        frame.to_csv(other / file.replace(".parquet.gzip", ".csv"), index=False)
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("csv", "parquet")]
    assert load(other, urls[0]) == 0
    assert load(source, urls[1]) == 0
    assert tables(urls[0]) == tables(urls[1])


def test_a_file_may_be_given_itself(loan_source: Path, tmp_path: Path) -> None:
    named = (loan_source / LOANS).rename(tmp_path / "my book.csv")
    assert load_loans(named, f"sqlite:///{tmp_path / 'a.db'}") == 0
    assert len(loans(f"sqlite:///{tmp_path / 'a.db'}")) == len(pd.read_csv(named))


def test_equal_rows_are_told_apart_and_loading_them_twice_changes_nothing(
    loan_source: Path, database: str
) -> None:
    change(loan_source, lambda f: pd.concat([f, f.head(3), f.head(1)]))
    assert load_loans(loan_source, database) == 0
    before = content(database)
    assert load_loans(loan_source, database) == 0
    assert content(database) == before
    found = loans(database)
    assert len(found) == len(read(loan_source))
    first = found.merge(read(loan_source).head(1)[["annual_inc"]].astype(float))
    keys = {key.partition("-")[0] for key in first["loan_key"]}
    assert {f"{key}{nth}" for key in keys for nth in ("", "-2", "-3")} >= set(first["loan_key"])
    assert (found["loan_key"].str.len() > 32).sum() == 4


def test_the_order_of_rows_and_columns_changes_nothing(loan_source: Path, database: str) -> None:
    change(loan_source, lambda f: pd.concat([f, f.head(3)]))
    load_loans(loan_source, database)
    before = tables(database)
    change(loan_source, lambda f: f.iloc[::-1, ::-1].assign(more="x"))
    assert load_loans(loan_source, database) == 0
    assert tables(database) == before


def score_all(database: str) -> None:
    """Store a result for each loan, as if a version had scored it."""
    version = {"model_id": "m/1", "logged_model_id": "m-1", "registry": "", "decision_threshold": 1}
    with opened(database_url(database)) as engine, engine.begin() as connection:
        connection.execute(insert(model_versions), {**version, "first_used_at": utc_now()})
        connection.execute(
            text(
                "INSERT INTO results_risk (model_id, process_time, loan_key, risk, "
                "late_probability, source) SELECT 'm/1', loaded_at, loan_key, 'Risk', 0.5, "
                "'batch' FROM loans, loads"
            )
        )


def test_a_label_that_becomes_known_updates_its_row_and_keeps_its_score(
    loan_source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = read(loan_source)["is_late"]
    change(loan_source, lambda f: f.assign(is_late=""))
    load_loans(loan_source, database)
    assert loans(database)["is_late"].isna().all()
    score_all(database)
    change(loan_source, lambda f: f.assign(is_late=outcome))
    assert load_loans(loan_source, database) == 0
    found = loans(database)
    assert found["is_late"].sum() == (outcome == "1").sum()
    assert len(content(database)["results_risk"]) == len(found) == len(outcome)
    assert "dropped" not in capfd.readouterr().out


def test_a_file_without_the_label_loads_and_takes_no_label_away(
    loan_source: Path, database: str
) -> None:
    load_loans(loan_source, database)
    before = tables(database)
    change(loan_source, lambda f: f.drop(columns="is_late"))
    assert load_loans(loan_source, database) == 0
    assert tables(database) == before
    change(loan_source, put("loan_amnt", 0, "1234"))
    assert load_loans(loan_source, database) == 0
    found = loans(database)
    assert len(found) == len(read(loan_source)) + 1  # the row as it was stays: it has no key
    assert found.loc[found["loan_amnt"] == 1234, "is_late"].isna().all()


def test_words_for_missing_are_nulls_among_numbers_and_texts_among_texts(
    loan_source: Path, database: str
) -> None:
    change(loan_source, put("revol_util", 0, "NA"))
    change(loan_source, put("dti", 0, "n/a"))
    change(loan_source, put("emp_length", 0, "n/a"))
    change(loan_source, put("loan_amnt", 0, " 777.25 "))
    assert load_loans(loan_source, database) == 0
    row = loans(database).query("loan_amnt == 777.25").iloc[0]
    assert row["emp_length"] == "n/a"
    assert pd.isna(row["revol_util"])
    assert pd.isna(row["dti"])


def test_a_number_beyond_exact_whole_ones_and_a_label_in_words_load(
    loan_source: Path, database: str
) -> None:
    late = read(loan_source)["is_late"]
    change(loan_source, lambda f: f.assign(is_late=late.map({"1": "True", "0": "False"})))
    change(loan_source, put("loan_amnt", 0, "9007199254740993"))
    assert load_loans(loan_source, database) == 0
    assert loans(database)["is_late"].sum() == (late == "1").sum()
    assert loans(database)["loan_amnt"].max() == 2.0**53


def test_a_table_made_for_something_else_is_refused_in_one_sentence(
    loan_source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load_loans(loan_source, database)
    with opened(database_url(database)) as engine, engine.begin() as connection:
        connection.execute(text("ALTER TABLE loans DROP COLUMN dti"))
    before = content(database)
    for script in (ingest.main, train.main):
        capfd.readouterr()
        assert run_main(script, "--problem", "loan_risk", "--database", database) == 2
        error = capfd.readouterr().err
        assert "Table loans of this database has no column dti" in error
        assert error.count("\n") == 1
    assert content(database) == before


BAD_CELLS = {
    "a word": ("loan_amnt", "twelve", "loan_amnt is not a number"),
    "a comma": ("annual_inc", "52,000", "annual_inc is not a number"),
    "infinite": ("annual_inc", "inf", "annual_inc is infinite"),
    "negative": ("dti", "-0.5", "dti is negative"),
    "percents": ("int_rate", "13.56", "int_rate is above 5"),
    "half late": ("is_late", "0.5", "is_late is not a whole number"),
    "twice late": ("is_late", "2", "is_late is above 1"),
    "true": ("is_late", "yes", "is_late is not a whole number"),
    "a NUL byte": ("purpose", "ca\0r", "purpose holds a NUL byte"),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_a_bad_cell_sets_its_row_aside(
    case: str, loan_source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    column, value, reason = BAD_CELLS[case]
    change(loan_source, put(column, 4, value))
    assert load_loans(loan_source, database) == 0
    assert f"{LOANS}: 1 rejected: {reason}" in capfd.readouterr().out
    ((*_, table, number, found, values),) = content(database)["rejected_rows"]
    assert (table, number, found) == ("loans", 5, reason)
    assert (values if isinstance(values, dict) else json.loads(values))[column] == value
    assert len(loans(database)) == len(read(loan_source)) - 1


def test_a_row_with_too_many_or_too_few_fields_is_set_aside_with_its_number(
    loan_source: Path, database: str
) -> None:
    lines = (loan_source / LOANS).read_text().splitlines()
    lines[3] += ",1"
    lines[7] = "5000,0.1"
    lines.insert(5, "")  # a blank line is no row
    (loan_source / LOANS).write_text("\n".join(lines))
    assert load_loans(loan_source, database) == 0
    rejected = content(database)["rejected_rows"]
    assert {(row[-3], row[-2]) for row in rejected} == {
        (3, "has 12 fields instead of 11"),
        (7, "has 2 fields instead of 11"),
    }
    assert len(loans(database)) == len(lines) - 1 - 1 - 2


def to_latin(path: Path) -> None:
    path.write_bytes(path.read_text().replace("car", "carr\xe9").encode("latin-1"))


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "not UTF-8": (to_latin, "is not a whole CSV file in UTF-8"),
    "an open quote": (
        lambda p: p.write_text(p.read_text().rstrip() + '\n"5000,0.1'),
        "is not a whole CSV file in UTF-8",
    ),
    "empty": (lambda p: p.write_text(""), "has no column loan_amnt"),
    "no rows": (lambda p: p.write_text(p.read_text().split("\n")[0] + "\n"), "has no rows"),
    "no header": (
        lambda p: p.write_text("\n".join(p.read_text().split("\n")[1:])),
        "its first line must be the columns' names",
    ),
    "semicolons": (
        lambda p: p.write_text(p.read_text().replace(",", ";")),
        "separated by commas",
    ),
    "a column less": (
        lambda p: pd.read_csv(p).drop(columns=["grade", "dti"]).to_csv(p, index=False),
        "column grade of peer_loans.csv must be text, but is missing; column dti",
    ),
    "a column twice": (
        lambda p: p.write_text(p.read_text().replace("dti,", "grade,", 1)),
        "column grade of peer_loans.csv must be text, but is there more than once",
    ),
    "Parquet by another name": (
        lambda p: pd.read_csv(p).to_parquet(p),
        "is not a whole CSV file in UTF-8",
    ),
    "in percents throughout": (
        lambda p: pd.read_csv(p).assign(int_rate=13.5).to_csv(p, index=False),
        "int_rate is above 5",
    ),
    "in two formats": (
        lambda p: pd.read_csv(p).to_parquet(p.with_suffix(".parquet")),
        "holds peer_loans.parquet and peer_loans.csv",
    ),
    "a truncated archive": (
        lambda p: p.rename(p.with_suffix(".csv.gz")).write_bytes(gzip.compress(b"a" * 999)[:-9]),
        "peer_loans.csv.gz is not a whole CSV file in UTF-8",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_csv_file_ends_with_one_sentence_and_no_database(
    case: str, loan_source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil, said = BAD_FILES[case]
    somebody = read(loan_source).iloc[0]
    spoil(loan_source / LOANS)
    assert load_loans(loan_source, f"sqlite:///{tmp_path / 'new.db'}") == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error
    assert str(somebody["annual_inc"]) not in error  # nobody's row is shown
    assert not (tmp_path / "new.db").exists()

"""An invalid source file ends with one sentence without data, and changes nothing."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.support.databases import all_rows
from tests.support.source_files import (
    CLICKS,
    LEADS,
    LOANS,
    OFFERS,
    edit_parquet,
    flip_value_bit,
    load_loans,
    load_source,
    read_loans,
)

Damage = Callable[[Path], object]


def damage_columns(source: Path) -> None:
    edit_parquet(source, LEADS, lambda f: f.drop(columns="credit"))
    edit_parquet(source, OFFERS, lambda f: f.assign(apr=f["apr"].astype(str), lead_uuid=1))
    edit_parquet(source, CLICKS, lambda f: f.assign(offer_id=f["offer_id"].astype(str)))


def repeat_column(path: Path, name: str) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column(name, table[name]), path)


PARQUET_FILES: dict[str, tuple[Damage, list[str]]] = {
    "missing": (lambda s: (s / OFFERS).unlink(), ["does not contain ds_offers:", ".parquet.gzip"]),
    "truncated": (
        lambda s: (s / OFFERS).write_bytes((s / OFFERS).read_bytes()[:-500]),
        [OFFERS, "not a complete Parquet file"],
    ),
    "not parquet": (
        lambda s: (s / CLICKS).write_text("offer_id,clicked_at\n1,2\n"),
        [CLICKS, "not a complete Parquet file"],
    ),
    "empty file": (lambda s: (s / LEADS).write_bytes(b""), [LEADS, "not a complete Parquet file"]),
    "no rows": (lambda s: edit_parquet(s, CLICKS, lambda f: f.iloc[:0]), [CLICKS, "no rows"]),
    "a column twice": (
        lambda s: repeat_column(s / OFFERS, "apr"),
        [f"column apr of {OFFERS} must be a number, but occurs more than once"],
    ),
    "one bit": (
        lambda s: flip_value_bit(s, OFFERS, "apr"),
        [f"{OFFERS} is damaged after row 0 (", "checksum", "nothing was loaded"],
    ),
    "columns missing or of a wrong type": (
        damage_columns,
        [
            f"column credit of {LEADS} must be text, but is missing",
            f"column apr of {OFFERS} must be a number, but is",
            f"column lead_uuid of {OFFERS} must be text, but is int64",
            f"column offer_id of {CLICKS} must be a whole number, but is",
        ],
    ),
}
NOT_CSV = "is not a complete CSV file in UTF-8"
CSV_FILES: dict[str, tuple[Damage, str]] = {
    "not UTF-8": (
        lambda p: p.write_bytes(p.read_text().replace("car", "carr\xe9").encode("latin-1")),
        NOT_CSV,
    ),
    "an open quote": (lambda p: p.write_text(p.read_text().rstrip() + '\n"5000,0.1'), NOT_CSV),
    "empty": (lambda p: p.write_text(""), "has no column loan_amnt"),
    "no rows": (lambda p: p.write_text(p.read_text().split("\n")[0] + "\n"), "has no rows"),
    "no header": (
        lambda p: p.write_text("\n".join(p.read_text().split("\n")[1:])),
        "the first line must contain the column names",
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
        "column grade of peer_loans.csv must be text, but occurs more than once",
    ),
    "Parquet by another name": (lambda p: pd.read_csv(p).to_parquet(p), NOT_CSV),
    "in percents throughout": (
        lambda p: pd.read_csv(p).assign(int_rate=13.5).to_csv(p, index=False),
        "int_rate is above 5",
    ),
    "in two formats": (
        lambda p: pd.read_csv(p).to_parquet(p.with_suffix(".parquet")),
        "contains peer_loans.parquet and peer_loans.csv",
    ),
    "a truncated archive": (
        lambda p: p.rename(p.with_suffix(".csv.gz")).write_bytes(gzip.compress(b"a" * 999)[:-9]),
        f"peer_loans.csv.gz {NOT_CSV}",
    ),
}


def read_one_sentence(capfd: pytest.CaptureFixture[str]) -> str:
    """Return the error message that ended the script; it must be one sentence."""
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("loaded_before", [False, True], ids=["new database", "loaded before"])
@pytest.mark.parametrize("case", PARQUET_FILES)
def test_an_invalid_file_ends_with_one_sentence_and_changes_nothing(
    case: str,
    loaded_before: bool,
    source: Path,
    sqlite_database: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if loaded_before:
        load_source(source, sqlite_database)
    before = all_rows(sqlite_database)
    damage, expected = PARQUET_FILES[case]
    damage(source)
    capfd.readouterr()
    assert load_source(source, sqlite_database) == 2
    error = read_one_sentence(capfd)
    for text in expected:
        assert text in error
    assert all_rows(sqlite_database) == before
    assert loaded_before or not (tmp_path / "test.db").exists()


@pytest.mark.parametrize("case", CSV_FILES)
def test_an_invalid_csv_file_ends_with_one_sentence_and_no_database(
    case: str, loan_source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damage, expected = CSV_FILES[case]
    income = str(read_loans(loan_source).iloc[0]["annual_inc"])
    damage(loan_source / LOANS)
    assert load_loans(loan_source, f"sqlite:///{tmp_path / 'new.db'}") == 2
    error = read_one_sentence(capfd)
    assert expected in error
    assert income not in error  # messages must not show data
    assert not (tmp_path / "new.db").exists()


def test_a_single_file_is_refused_for_several_tables_or_in_an_unknown_format(
    source: Path, loan_source: Path, sqlite_database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert load_source(source / OFFERS, sqlite_database) == 2
    assert f"{OFFERS} is a file: give the folder that contains" in capfd.readouterr().err
    text = (loan_source / LOANS).rename(loan_source / "loans.txt")
    assert load_loans(text, sqlite_database) == 2
    assert "loans.txt is a file: give the folder that contains" in capfd.readouterr().err

"""Bad files, bad rows, databases that cannot be used: one sentence, and nothing half-done."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from db.engine import database_url, opened
from tests.sources import CLICKS, LEADS, OFFERS, change, content, load, put


def spoil_columns(source: Path) -> None:
    change(source, LEADS, lambda f: f.drop(columns="credit"))
    change(source, OFFERS, lambda f: f.assign(apr=f["apr"].astype(str), lead_uuid=1))
    change(source, CLICKS, lambda f: f.assign(offer_id=f["offer_id"].astype(str)))


def repeat_column(path: Path, name: str) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column(name, table[name]), path)


BAD_FILES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "missing": (lambda s: (s / OFFERS).unlink(), ["lacks ds_offers:", ".parquet.gzip"]),
    "truncated": (
        lambda s: (s / OFFERS).write_bytes((s / OFFERS).read_bytes()[:-500]),
        [OFFERS, "not a whole parquet file"],
    ),
    "not parquet": (
        lambda s: (s / CLICKS).write_text("offer_id,clicked_at\n1,2\n"),
        [CLICKS, "not a whole parquet file"],
    ),
    "empty file": (lambda s: (s / LEADS).write_bytes(b""), [LEADS, "not a whole parquet file"]),
    "no rows": (lambda s: change(s, CLICKS, lambda f: f.iloc[:0]), [CLICKS, "no rows"]),
    "a column twice": (
        lambda s: repeat_column(s / OFFERS, "apr"),
        [f"column apr of {OFFERS} must be a number, but is there more than once"],
    ),
    "columns missing or of a wrong type": (
        spoil_columns,
        [
            f"column credit of {LEADS} must be text, but is missing",
            f"column apr of {OFFERS} must be a number, but is",
            f"column lead_uuid of {OFFERS} must be text, but is int64",
            f"column offer_id of {CLICKS} must be a whole number, but is",
        ],
    ),
}


@pytest.mark.parametrize("loaded_before", [False, True])
@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_ends_with_one_sentence_and_the_database_as_it_was(
    case: str, loaded_before: bool, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    database = f"sqlite:///{tmp_path / 'test.db'}"
    if loaded_before:
        load(source, database)
    before = content(database)
    spoil, said = BAD_FILES[case]
    spoil(source)
    capfd.readouterr()
    assert load(source, database) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    for words in said:
        assert words in error
    assert content(database) == before
    assert loaded_before or not (tmp_path / "test.db").exists()


def test_a_file_damaged_in_its_middle_leaves_the_database_as_it_was(
    source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load(source, database)
    before = content(database)
    whole = bytearray((source / OFFERS).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 200] = bytes(200)
    (source / OFFERS).write_bytes(whole)
    change(source, LEADS, put("annual_income", 0, 1.0))  # loaded first, so it must be undone
    assert load(source, database) == 2
    assert f"{OFFERS} is damaged" in capfd.readouterr().err
    assert content(database) == before


BAD_ROWS: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "null lead key": (LEADS, put("lead_uuid", 0, None), "lead_uuid is null"),
    "null offer key": (OFFERS, put("offer_id", 0, None), "offer_id is null"),
    "offer of no lead": (OFFERS, put("lead_uuid", 0, None), "lead_uuid is null"),
    "repeated lead": (
        LEADS,
        lambda f: pd.concat([f, f.head(1).assign(credit="good")]),
        "lead_uuid is repeated",
    ),
    "repeated offer": (OFFERS, lambda f: pd.concat([f, f.tail(1)]), "offer_id is repeated"),
    "repeated click": (CLICKS, lambda f: pd.concat([f, f.head(1)]), "offer_id is repeated"),
    "unknown lead": (OFFERS, put("lead_uuid", 0, "nobody"), "lead_uuid is not in leads"),
    "unknown offer": (CLICKS, put("offer_id", 0, 5), "offer_id is not in offers"),
    "negative amount": (LEADS, put("requested", 0, -1.0), "requested is negative"),
    "infinite amount": (LEADS, put("annual_income", 0, np.inf), "annual_income is infinite"),
    "negative apr": (OFFERS, put("apr", 0, -0.01), "apr is negative"),
    "infinite apr": (OFFERS, put("apr", 0, -np.inf), "apr is infinite"),
    "a NUL byte": (LEADS, put("credit", 0, "go\0od"), "credit holds a NUL byte"),
    "a lender beyond 64 bits": (
        OFFERS,
        lambda f: f.assign(lender_id=f["lender_id"].astype("uint64").where(f.index > 0, 2**63 + 5)),
        "lender_id is too large",
    ),
    "half an offer": (OFFERS, put("offer_id", 0, 1.5), "offer_id is not a whole number"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_set_aside_with_its_reason_and_values(
    case: str, source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file, spoil, reason = BAD_ROWS[case]
    change(source, file, spoil)
    assert load(source, database, "--max-rejected", 0.5) == 0
    assert f"{file}: 1 rejected: {reason}" in capfd.readouterr().out
    with opened(database_url(database)) as engine, engine.connect() as connection:
        rows = connection.execute(
            text("SELECT table_name, reason, row_number, row_values FROM rejected_rows ORDER BY id")
        ).all()
    row = rows[0]
    assert f"ds_{row.table_name}.parquet.gzip" == file
    assert row.reason == reason
    values = row.row_values if isinstance(row.row_values, dict) else json.loads(row.row_values)
    original = pd.read_parquet(source / file).iloc[row.row_number - 1]
    for name, value in values.items():
        if isinstance(original[name], float | int) and value is not None:
            assert float(value) == original[name] or str(value) == str(original[name])
    # a lead that is set aside takes its offers along, and they their clicks
    assert {r.reason for r in rows[1:]} <= {
        "lead_uuid is not in leads",
        "offer_id is not in offers",
    }


def test_too_many_bad_rows_abort_with_the_database_as_it_was(
    source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load(source, database)
    before = content(database)
    change(source, OFFERS, lambda f: f.assign(apr=f["apr"].where(f.index % 40 > 0, -1.0)))
    change(source, LEADS, put("annual_income", 0, 1.0))
    assert load(source, database) == 2
    error = capfd.readouterr().err
    assert "More than 1.00%" in error
    assert "apr is negative" in error
    assert "--max-rejected" in error
    assert content(database) == before
    assert load(source, database, "--max-rejected", 0.1) == 0


def test_too_many_bad_rows_leave_no_new_database(source: Path, tmp_path: Path) -> None:
    change(source, OFFERS, lambda f: f.assign(apr=-1.0))
    assert load(source, f"sqlite:///{tmp_path / 'new.db'}") == 2
    assert list(tmp_path.glob("new.db*")) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u@h/d", "kind 'mysql' is not"),
        ("mssql+pyodbc://u:secret@h/d", "is not one of a database"),
        ("nonsense://", "is not one of a database"),
        ("postgresql://u:secret@word@h/d", "an @ too many"),
        ("sqlite:///nowhere/at/all.db", "There is no folder nowhere/at"),
        ("sqlite://", "in memory"),
        ("postgresql://u:secret@127.0.0.1:1/d", "cannot be used"),
        ("postgresql://u@127.0.0.1:1/d?password=secret", "cannot be used"),
        ("postgresql+psycopg2://u:secret@h/d", "is not one of a database"),
        ("postgresql://u:p@ss:w/rd secret@h:port/d", "write @ as %40"),
        ("postgresql://u@127.0.0.1:1/d?ssl=true", 'invalid connection option "ssl"'),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_in_one_sentence(
    url: str, said: str, source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert load(source, url) == 2
    error = capfd.readouterr().err
    assert said in error
    assert "secret" not in error
    assert error.count("\n") == 1


def test_a_file_that_is_no_database_is_refused_in_one_sentence(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter.txt").write_text("Dear lender, " * 400)
    assert load(source, str(tmp_path / "letter.txt")) == 2
    assert "not a database" in capfd.readouterr().err
    assert (tmp_path / "letter.txt").read_text().startswith("Dear lender")

"""ingest.py stores invalid rows with their reason and values, and loads all others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.databases import query
from tests.support.source_files import (
    CLICKS,
    LEADS,
    LOANS,
    OFFERS,
    Edit,
    edit_loans,
    edit_parquet,
    load_loans,
    load_source,
    read_loans,
    set_value,
)

BAD_ROWS: dict[str, tuple[str, Edit, str]] = {
    "null lead key": (LEADS, set_value("lead_uuid", 0, None), "lead_uuid is null"),
    "null offer key": (OFFERS, set_value("offer_id", 0, None), "offer_id is null"),
    "offer of no lead": (OFFERS, set_value("lead_uuid", 0, None), "lead_uuid is null"),
    "repeated lead": (
        LEADS,
        lambda f: pd.concat([f, f.head(1).assign(credit="good")]),
        "lead_uuid is repeated",
    ),
    "repeated offer": (OFFERS, lambda f: pd.concat([f, f.tail(1)]), "offer_id is repeated"),
    "repeated click": (CLICKS, lambda f: pd.concat([f, f.head(1)]), "offer_id is repeated"),
    "unknown lead": (OFFERS, set_value("lead_uuid", 0, "nobody"), "lead_uuid is not in leads"),
    "unknown offer": (CLICKS, set_value("offer_id", 0, 5), "offer_id is not in offers"),
    "negative amount": (LEADS, set_value("requested", 0, -1.0), "requested is negative"),
    "infinite amount": (
        LEADS,
        set_value("annual_income", 0, np.inf),
        "annual_income is infinite",
    ),
    "negative apr": (OFFERS, set_value("apr", 0, -0.01), "apr is negative"),
    "infinite apr": (OFFERS, set_value("apr", 0, -np.inf), "apr is infinite"),
    "a NUL byte": (LEADS, set_value("credit", 0, "go\0od"), "credit holds a NUL byte"),
    "a lender beyond 64 bits": (
        OFFERS,
        lambda f: f.assign(lender_id=f["lender_id"].astype("uint64").where(f.index > 0, 2**63 + 5)),
        "lender_id is too large",
    ),
    "half an offer": (OFFERS, set_value("offer_id", 0, 1.5), "offer_id is not a whole number"),
}
# cases that depend on the database: keys, references, and values that PostgreSQL cannot store
ON_POSTGRESQL = (
    "repeated lead",
    "repeated click",
    "unknown lead",
    "unknown offer",
    "infinite apr",
    "a NUL byte",
    "a lender beyond 64 bits",
)
BAD_CELLS = {  # of a CSV file; tests/unit/test_validation.py covers all kinds
    "a word": ("loan_amnt", "twelve", "loan_amnt is not a number"),
    "percents": ("int_rate", "13.56", "int_rate is above 5"),
    "half late": ("is_late", "0.5", "is_late is not a whole number"),
    "a NUL byte": ("purpose", "ca\0r", "purpose holds a NUL byte"),
}


def assert_row_is_rejected(
    case: str, source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file, edit, reason = BAD_ROWS[case]
    edit_parquet(source, file, edit)
    assert load_source(source, database, "--max-rejected", 0.5) == 0
    assert f"{file}: 1 rejected: {reason}" in capfd.readouterr().out
    columns = "table_name, reason, row_number, row_values"
    first, *others = query(database, f"SELECT {columns} FROM rejected_rows ORDER BY id")
    table, stored_reason, number, values = first
    assert f"ds_{table}.parquet.gzip" == file
    assert stored_reason == reason
    original = pd.read_parquet(source / file).iloc[number - 1]
    for name, value in as_dict(values).items():
        if isinstance(original[name], float | int) and value is not None:
            assert float(value) == original[name] or str(value) == str(original[name])
    # offers of a rejected lead are rejected too, and so are their clicks
    assert {reason for _, reason, _, _ in others} <= {
        "lead_uuid is not in leads",
        "offer_id is not in offers",
    }


def as_dict(values: dict[str, Any] | str) -> dict[str, Any]:
    """Parse JSON from SQLite; psycopg has parsed it already."""
    return values if isinstance(values, dict) else json.loads(values)


@pytest.mark.parametrize("case", BAD_ROWS)
def test_an_invalid_row_is_rejected_with_its_reason_and_values(
    case: str, source: Path, sqlite_database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert_row_is_rejected(case, source, sqlite_database, capfd)


@pytest.mark.parametrize("case", ON_POSTGRESQL)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_row_that_postgresql_would_refuse_is_rejected(
    case: str, source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert_row_is_rejected(case, source, database, capfd)


@pytest.mark.parametrize("case", BAD_CELLS)
def test_a_row_of_a_csv_file_with_an_invalid_cell_is_rejected(
    case: str, loan_source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    column, value, reason = BAD_CELLS[case]
    edit_loans(loan_source, set_value(column, 4, value))
    assert load_loans(loan_source, database) == 0
    assert f"{LOANS}: 1 rejected: {reason}" in capfd.readouterr().out
    columns = "table_name, row_number, reason, row_values"
    (row,) = query(database, f"SELECT {columns} FROM rejected_rows")
    assert row[:3] == ("loans", 5, reason)
    assert as_dict(row[3])[column] == value
    assert query(database, "SELECT count(*) FROM loans") == [(len(read_loans(loan_source)) - 1,)]


def test_a_row_with_too_many_or_too_few_fields_is_rejected_with_its_number(
    loan_source: Path, database: str
) -> None:
    lines = (loan_source / LOANS).read_text().splitlines()
    lines[3] += ",1"
    lines[7] = "5000,0.1"
    lines.insert(5, "")  # a blank line does not count as a row
    (loan_source / LOANS).write_text("\n".join(lines))
    assert load_loans(loan_source, database) == 0
    rejected = query(database, "SELECT row_number, reason FROM rejected_rows ORDER BY row_number")
    assert rejected == [(3, "has 12 fields instead of 11"), (7, "has 2 fields instead of 11")]
    assert query(database, "SELECT count(*) FROM loans") == [(len(lines) - 1 - 1 - 2,)]

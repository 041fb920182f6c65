"""A label that becomes known later updates its row, and no file removes a known label."""

from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import insert, text

from db.engine import database_url, open_database
from db.tables import model_versions, utc_now
from tests.support.databases import all_rows, query
from tests.support.source_files import edit_loans, load_loans, read_loans, set_value

LABELS = "SELECT loan_amnt, is_late FROM loans"


def store_a_result_for_each_loan(database: str) -> None:
    """Store results as if a version had scored all loans."""
    version = {"model_id": "m/1", "logged_model_id": "m-1", "registry": "", "decision_threshold": 1}
    with open_database(database_url(database)) as engine, engine.begin() as connection:
        connection.execute(insert(model_versions), {**version, "first_used_at": utc_now()})
        connection.execute(
            text(
                "INSERT INTO results_risk (model_id, process_time, loan_key, risk, "
                "late_probability, source) SELECT 'm/1', loaded_at, loan_key, 'Risk', 0.5, "
                "'batch' FROM loans, loads"
            )
        )


def test_a_new_label_updates_its_row_and_keeps_its_score(
    loan_source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = read_loans(loan_source)["is_late"]
    edit_loans(loan_source, lambda f: f.assign(is_late=""))
    load_loans(loan_source, database)
    assert {label for _, label in query(database, LABELS)} == {None}
    store_a_result_for_each_loan(database)
    edit_loans(loan_source, lambda f: f.assign(is_late=outcome))
    assert load_loans(loan_source, database) == 0
    labels = [label for _, label in query(database, LABELS)]
    assert sum(labels) == (outcome == "1").sum()
    assert len(all_rows(database)["results_risk"]) == len(labels) == len(outcome)
    assert "dropped" not in capfd.readouterr().out


def test_a_file_without_labels_keeps_the_known_labels(loan_source: Path, database: str) -> None:
    load_loans(loan_source, database)
    before = all_rows(database)["loans"]
    edit_loans(loan_source, lambda f: f.drop(columns="is_late"))
    assert load_loans(loan_source, database) == 0
    assert all_rows(database)["loans"] == before
    edit_loans(loan_source, set_value("loan_amnt", 0, "1234"))
    assert load_loans(loan_source, database) == 0
    loans = pd.DataFrame(query(database, LABELS), columns=["loan_amnt", "is_late"])
    # the old row stays too, because loans have no natural key
    assert len(loans) == len(read_loans(loan_source)) + 1
    assert loans.loc[loans["loan_amnt"] == 1234, "is_late"].isna().all()

"""The CSV file with the entries of the form."""

import csv

import problems
from db import entries, runs
from db.engine import database_url, open_database
from form.app import create_app
from form.entry_scorer import EntryScorer
from tests.support.form import IGNORE_OLD_CHOICES

pytestmark = IGNORE_OLD_CHOICES
ROW = {"requested": 8000.0, "loan_purpose": "=HYPERLINK(1)", "credit": None, "apr": -1.5}


def test_formulas_are_escaped_and_numbers_stay_numbers(small_database: str) -> None:
    problem = problems.load()
    columns = {name: [ROW.get(name)] for name in problem.feature_names}
    with open_database(database_url(small_database)) as engine:
        runs.remember_version(engine, "offer-click/1", "m-1", "registry", 0.5)
        scoring = problem.scoring
        entries.store_entries(engine, scoring, "offer-click/1", columns, [0.25], ["Not clicked"])
        text = create_app(EntryScorer(engine, problem, {})).test_client().get("/entries.csv").text
    header, line = csv.reader(text.splitlines(), quoting=csv.QUOTE_NONNUMERIC)
    row = dict(zip(header, line, strict=True))
    assert row["loan_purpose"] == "'=HYPERLINK(1)"
    assert (row["requested"], row["apr"], row["credit"]) == (8000, -1.5, "")

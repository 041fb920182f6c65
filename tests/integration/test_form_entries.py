"""The entries of the form: what is read from a request, and the CSV file with all of them."""

import csv

import problems
from db import entries, runs
from db.engine import database_url, open_database
from form import fields
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


def test_a_category_with_blanks_is_read_as_it_is_offered(small_database: str) -> None:
    problem = problems.load()
    choices = {name: [" 36 months"] for name in problem.texts}
    form_class = fields.build_form_class(problem, choices, ["champion"])
    names = {feature.name: name for name, feature in fields.features_by_field_name(problem).items()}
    entry = {names["credit"]: " 36 months", names["requested"]: " 8000 "}
    with open_database(database_url(small_database)) as engine:
        app = create_app(EntryScorer(engine, problem, {}))
        with app.test_request_context(method="POST", data=entry):
            columns = fields.read_columns(form_class(), problem)
    assert (columns["credit"], columns["requested"]) == ([" 36 months"], [8000.0])


def test_a_request_with_an_unknown_field_name_is_rejected(small_database: str) -> None:
    with open_database(database_url(small_database)) as engine:
        app = create_app(EntryScorer(engine, problems.load(), {}))
        app.config["WTF_CSRF_ENABLED"] = False  # a missing token is answered with 400, too
        client = app.test_client()
        for name in ("lines-\N{SUPERSCRIPT TWO}-field_4", f"lines-{'9' * 5000}-field_4"):
            assert client.post("/", data={name: "9.99"}).status_code == 400

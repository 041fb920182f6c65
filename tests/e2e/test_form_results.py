"""Results of the form in a real browser without JavaScript, which the form does not need."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page

import problems
from tests.support.browser import accessibility_problems
from tests.support.databases import query
from tests.support.form import IGNORE_OLD_CHOICES, fill, form_in_thread, send, stored_entries
from tests.support.model_server import model_server
from tests.support.trained import TrainedStore
from training import flat_file

pytestmark = IGNORE_OLD_CHOICES
EMPTY = "The form is empty: fill in at least one field."


@pytest.fixture
def loan_champion(loans_trained: TrainedStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of MLflow's scoring server for the champion of loan-risk, in a thread."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", loans_trained.tracking_uri)
    with model_server(loans_trained.tracking_uri, "models:/loan-risk@champion") as url:
        yield url


def test_one_loan_gets_a_label_and_a_probability(
    page: Page, browser: Browser, loans_trained: TrainedStore, loan_champion: str, tmp_path: Path
) -> None:
    database = loans_trained.copy_database(tmp_path / "loans.db")
    with form_in_thread(database, {"champion": loan_champion}, "loan_risk") as url:
        page.goto(url)
        page.get_by_label("Amount of the loan").fill("10000")
        page.get_by_label("Interest rate").fill("0.119")
        page.get_by_label("Home").select_option("RENT")
        page.get_by_label("Debt to income").fill("20")
        assert page.get_by_label("Champion").count() == 0  # there is only one model
        send(page)
        verdict = page.locator(".verdict").inner_text()
        assert re.fullmatch(r"(No risk|Risk): the probability of “Risk” is \d+\.\d\d\s%\.", verdict)
        (entry,) = query(database, "SELECT * FROM results_risk WHERE source = 'form'")
        assert {10000.0, 0.119, "RENT", 20.0, verdict.partition(":")[0], None} <= set(entry)
        assert accessibility_problems(browser, url) == []


def test_more_lines_can_be_added_and_an_empty_form_is_not_scored(
    page: Page, offers_form: str, small_database: str
) -> None:
    page.goto(offers_form)
    send(page)
    assert page.get_by_role("alert").inner_text() == EMPTY
    page.get_by_label("Annual income").fill("1000")
    page.get_by_role("button", name="Add lines").click()
    assert page.get_by_label("Annual income").input_value() == "1000"
    page.get_by_label("APR 8").fill("12.5")
    send(page)
    assert [entry[1] for entry in stored_entries(small_database)] == [12.5]


def test_downloaded_entries_can_be_labeled_and_trained_on(
    page: Page, offers_form: str, tmp_path: Path
) -> None:
    for rates in (("9.99", "35"), ("19.99",)):
        page.goto(offers_form)
        fill(page, rates)
        send(page)
    text = requests.get(f"{offers_form}/entries.csv", timeout=30).text
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["apr"] for row in rows] == ["9.99", "35.0", "19.99"]
    assert rows[0]["lead_uuid"] == rows[1]["lead_uuid"] != rows[2]["lead_uuid"]
    file = tmp_path / "labeled.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        for number in range(400):  # enough rows for a split
            for row in rows:
                group = f"{row['lead_uuid']} {number}"
                writer.writerow(row | {"lead_uuid": group, "label": number % 2})
    data = flat_file.read(file, "label", problems.load())
    assert len(data.raw) == 1_200

"""What the form says when something is wrong: with what was entered, a model, or the database."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from db.engine import database_url, open_database, write_transaction
from form import __main__ as form
from scoring.local_server import free_port
from tests.support.form import IGNORE_OLD_CHOICES, fill, form_in_thread, send, stored_entries
from tests.support.scripts import run_main
from tests.support.trained import TrainedStore

pytestmark = IGNORE_OLD_CHOICES

NOTHING_ASKED = "Nothing was asked yet: see the fields marked below."


def test_each_error_is_shown_at_its_field_and_what_was_entered_stays(
    page: Page, offers_form: str, small_database: str
) -> None:
    page.goto(offers_form)
    fill(page, ("9.99", "-1"))
    page.get_by_label("Annual income").fill("a <b>lot</b>")
    send(page)
    assert page.get_by_role("alert").inner_text() == NOTHING_ASKED
    income, second = page.get_by_label("Annual income"), page.get_by_label("APR 2")
    for field, message in ((income, "This is no number"), (second, "This is less than 0")):
        described_by = field.get_attribute("aria-describedby") or ""
        assert message in page.locator(f"#{described_by.split()[-1]}").inner_text()
        assert field.get_attribute("aria-invalid") == "true"
    assert income.input_value() == "a <b>lot</b>"
    assert page.get_by_label("Amount requested").input_value() == "8000"
    assert page.get_by_label("Purpose of the loan").input_value() == "debt_consolidation"
    assert page.title().startswith("Error: ")
    assert stored_entries(small_database) == []
    for no_number in ("nan", "inf", "1e400", "1_000", "1,5", "0x10"):
        income.fill(no_number)
        send(page)
        assert page.get_by_text("This is no number").count() == 1, no_number
    assert stored_entries(small_database) == []


def test_an_endpoint_that_is_down_or_serves_another_version_stores_nothing(
    page: Page, trained: TrainedStore, small_database: str, challenger: str
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    endpoints = {"champion": challenger, "challenger": nobody}
    with form_in_thread(small_database, endpoints) as url:
        page.goto(url)
        fill(page)
        send(page)
        alert = page.get_by_role("alert").inner_text()
        assert alert.startswith(f"Nothing was stored. {challenger} does not answer as")
        assert trained.champion_id in alert
        page.get_by_label("Challenger").check()
        send(page)
        alert = page.get_by_role("alert").inner_text()
        assert alert.startswith(f"Nothing was stored. No model answers at {nobody}")
        assert page.get_by_label("Annual income").input_value() == "52000"
    assert stored_entries(small_database) == []


def test_a_locked_database_stores_nothing_until_it_is_free(
    page: Page, small_databases: str, champion: str
) -> None:
    with form_in_thread(small_databases, {"champion": champion}) as url:
        page.goto(url)
        fill(page)
        with (
            open_database(database_url(small_databases)) as engine,
            write_transaction(engine) as other,
        ):
            if other.dialect.name == "postgresql":  # on SQLite a writer locks out all others
                other.exec_driver_sql("LOCK TABLE results_clicked IN EXCLUSIVE MODE")
            send(page)
            alert = page.get_by_role("alert").inner_text()
            assert alert.startswith("Nothing was stored. The database")
            assert re.search("locked|lock timeout", alert)
        assert stored_entries(small_databases) == []
        send(page)
        assert len(stored_entries(small_databases)) == 3


def test_a_wrong_flag_ends_with_a_sentence(
    small_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(form.main, "--database", small_database, "--host", "0.0.0.0") == 2  # noqa: S104
    assert "say --insecure" in capsys.readouterr().err
    assert run_main(form.main, "--database", tmp_path / "none.db") == 2
    assert "There is no database at" in capsys.readouterr().err
    assert run_main(form.main, "--database", small_database, "--champion", "here") == 2
    assert "is not an address" in capsys.readouterr().err

"""Error messages of the form for invalid entries, and for failures of models and database."""

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

INVALID_FIELDS = "Nothing was scored: correct the fields that are marked below."


def test_errors_are_shown_at_their_fields_and_the_entries_are_kept(
    page: Page, offers_form: str, small_database: str
) -> None:
    page.goto(offers_form)
    fill(page, ("9.99", "-1"))
    page.get_by_label("Annual income").fill("a <b>lot</b>")
    send(page)
    assert page.get_by_role("alert").inner_text() == INVALID_FIELDS
    income, second = page.get_by_label("Annual income"), page.get_by_label("APR 2")
    for field, message in ((income, "This is not a number"), (second, "This must be at least 0")):
        described_by = field.get_attribute("aria-describedby") or ""
        assert message in page.locator(f"#{described_by.split()[-1]}").inner_text()
        assert field.get_attribute("aria-invalid") == "true"
    assert income.input_value() == "a <b>lot</b>"
    assert page.get_by_label("Amount requested").input_value() == "8000"
    assert page.get_by_label("Purpose of the loan").input_value() == "debt_consolidation"
    assert page.title().startswith("Error: ")
    assert stored_entries(small_database) == []
    for text in ("nan", "inf", "1e400", "1_000", "1,5", "0x10"):
        income.fill(text)
        send(page)
        assert page.get_by_text("This is not a number").count() == 1, text
    assert stored_entries(small_database) == []


def test_an_endpoint_that_is_down_or_serves_another_version_stores_nothing(
    page: Page, trained: TrainedStore, small_database: str, challenger: str
) -> None:
    unused_url = f"http://127.0.0.1:{free_port()}"
    endpoints = {"champion": challenger, "challenger": unused_url}
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
        assert alert.startswith(f"Nothing was stored. No model answers at {unused_url}")
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
            write_transaction(engine) as connection,
        ):
            if connection.dialect.name == "postgresql":  # on SQLite a writer excludes all others
                connection.exec_driver_sql("LOCK TABLE results_clicked IN EXCLUSIVE MODE")
            send(page)
            alert = page.get_by_role("alert").inner_text()
            assert alert.startswith("Nothing was stored. The database")
            assert re.search("locked|lock timeout", alert)
        assert stored_entries(small_databases) == []
        send(page)
        assert len(stored_entries(small_databases)) == 3


def test_an_error_in_the_flags_is_reported_in_one_sentence(
    small_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(form.main, "--database", small_database, "--host", "0.0.0.0") == 2  # noqa: S104
    assert "give --insecure" in capsys.readouterr().err
    assert run_main(form.main, "--database", tmp_path / "none.db") == 2
    assert "There is no database at" in capsys.readouterr().err
    assert run_main(form.main, "--database", small_database, "--champion", "here") == 2
    assert "is not the address of an endpoint" in capsys.readouterr().err

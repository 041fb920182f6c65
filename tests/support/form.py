"""Serve the form in a thread of this process, fill it in, and read its entries."""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from werkzeug.serving import make_server

import problems
from db.engine import database_url, open_database
from form.app import create_app
from form.entry_scorer import EntryScorer
from scoring.endpoint import ModelEndpoint, Timeouts
from tests.support.databases import query

LOCK_SECONDS = 0.2  # how long the form waits for a locked database
RATES = ("9.99", "35", "19.99")
# for forms in a thread: WTForms deprecates the choices of form/fields.py
IGNORE_OLD_CHOICES = pytest.mark.filterwarnings("ignore:Passing SelectField choices as tuples")


@contextlib.contextmanager
def form_in_thread(
    database: Path | str, endpoints: Mapping[str, str], problem: str = ""
) -> Iterator[str]:
    """Serve the form for a problem and yield its URL; `endpoints` has the URL of each alias.

    The form uses the MLflow store in MLFLOW_TRACKING_URI.
    """
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    timeouts = Timeouts(read=30)
    model_endpoints = {alias: ModelEndpoint(url, timeouts, "") for alias, url in endpoints.items()}
    with open_database(database_url(str(database)), lock_seconds=LOCK_SECONDS) as engine:
        app = create_app(EntryScorer(engine, problems.load(problem), model_endpoints))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def fill(page: Page, rates: Sequence[str] = RATES) -> None:
    """Fill in the form for offers: one applicant, and an offer for each rate."""
    page.get_by_label("Amount requested").fill("8000")
    page.get_by_label("Purpose of the loan").select_option("debt_consolidation")
    page.get_by_label("Credit standing").select_option("fair")
    page.get_by_label("Annual income").fill("52000")
    for number, rate in enumerate(rates, 1):
        page.get_by_label(f"APR {number}").fill(rate)


def send(page: Page) -> None:
    page.get_by_role("button", name="Score").click()


def displayed_rates(page: Page) -> list[str]:
    """The rates of the offers in the results, from the first row down."""
    table = page.get_by_role("table").first
    column = table.locator("thead th").all_inner_texts().index("APR")
    return [row.locator("td").nth(column).inner_text() for row in table.locator("tbody tr").all()]


def stored_entries(database: Path | str) -> list[tuple[Any, ...]]:
    """The results that the form for offers has stored, in the order of their ids."""
    return query(
        database,
        "SELECT model_id, apr, click_probability, clicked, offer_id, scoring_run_id "
        "FROM results_clicked WHERE source = 'form' ORDER BY id",
    )

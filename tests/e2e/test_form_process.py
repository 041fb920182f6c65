"""The form as a process, `python -m form`, on SQLite and on PostgreSQL."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import requests
from playwright.sync_api import Page

from tests.support.databases import copy_sqlite, execute, new_postgres_database
from tests.support.form import RATES, displayed_rates, fill, send, stored_entries
from tests.support.request_bodies import JSON, invoke, records_body
from tests.support.servers import form_server
from tests.support.trained import TrainedStore


class Form(NamedTuple):
    """The URL of a form, and the URL of its database."""

    url: str
    database: str


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running_form(
    request: pytest.FixtureRequest,
    trained: TrainedStore,
    champion: str,
    challenger: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Form]:
    """The form for offers, with champion and challenger, on both kinds of database."""
    folder = tmp_path_factory.mktemp("form")
    if request.param == "sqlite":
        template = request.getfixturevalue("small_template")
        database = f"sqlite:///{copy_sqlite(template, folder / 'offers.db')}"
    else:
        template = request.getfixturevalue("small_postgres_template")
        database = new_postgres_database(request.getfixturevalue("postgres"), template)
    flags = ("--champion", champion, "--challenger", challenger)
    with form_server(trained.tracking_uri, database, folder, *flags) as url:
        yield Form(url, database)


@pytest.fixture
def form(running_form: Form) -> Form:
    """The running form without entries."""
    execute(running_form.database, "DELETE FROM results_clicked")
    return running_form


@pytest.mark.parametrize("alias", ["champion", "challenger"])
def test_offers_to_one_person_are_ranked_and_stored_with_their_version(
    alias: str, page: Page, form: Form, trained: TrainedStore, request: pytest.FixtureRequest
) -> None:
    page.goto(form.url)
    fill(page)
    page.get_by_label(alias.capitalize()).check()
    send(page)
    row = {
        "requested": 8000,
        "loan_purpose": "debt_consolidation",
        "credit": "fair",
        "annual_income": 52000,
    }
    body = records_body(*(row | {"apr": float(rate)} for rate in RATES))
    response = invoke(request.getfixturevalue(alias), JSON, body)
    expected = [probability for _, probability in response.json()["predictions"]]
    version = trained.version(alias)
    entries = stored_entries(form.database)
    assert [entry[:2] for entry in entries] == [(version.model_id, float(rate)) for rate in RATES]
    assert [entry[2] for entry in entries] == pytest.approx(expected, rel=1e-9)
    labels = ["Clicked" if p >= version.threshold else "Not clicked" for p in expected]
    assert [entry[3:] for entry in entries] == [(label, None, None) for label in labels]
    ranked = sorted(zip(expected, RATES, strict=True), reverse=True)
    assert displayed_rates(page) == [rate for _, rate in ranked]
    assert f"{max(expected):.2%}".replace("%", "\xa0%") in page.inner_text("main")
    assert page.get_by_label("Annual income").input_value() == "52000"
    page.reload()  # does not score again
    assert len(stored_entries(form.database)) == 3


def test_other_sites_cannot_submit_the_form_or_use_another_host_name(form: Form) -> None:
    fields = {"field_0": "8000", "model": "champion", "lines-0-field_4": "10"}
    response = requests.post(form.url, data=fields, timeout=30)
    assert response.status_code == 400
    assert "please send it again" in response.text
    headers = {"Host": "evil.example"}
    assert requests.get(form.url, headers=headers, timeout=30).status_code == 400
    assert stored_entries(form.database) == []
    page_headers = requests.get(form.url, timeout=30).headers
    assert "default-src 'none'" in page_headers["Content-Security-Policy"]
    assert "SameSite=Strict" in page_headers["Set-Cookie"]


def test_invalid_choices_are_rejected_and_not_repeated(form: Form) -> None:
    with requests.Session() as session:
        session.headers["Connection"] = "close"  # an unread body closes it anyway
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', session.get(form.url).text)
        assert token
        script = "<script>alert(1)</script>"
        fields = {"csrf_token": token[1], "field_1": script, "model": script, "field_0": script}
        response = session.post(form.url, data=fields)
        assert response.status_code == 422
        assert "<script>" not in response.text
        assert session.post(form.url, data={"x": "y" * 200_000}).status_code in (400, 413)
        assert session.get(f"{form.url}/nowhere").status_code == 404
        ids = f"result=1&result=x&result=-5&result={'9' * 30}"
        assert session.get(f"{form.url}/?{ids}").status_code == 200
    assert stored_entries(form.database) == []

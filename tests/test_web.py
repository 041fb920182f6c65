"""The page for trying a model by hand, in a real browser and on real endpoints.

Most of it with JavaScript switched off, as the page needs none; what looks for barriers needs it.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

import problems
from db.engine import database_url, opened, writing
from modeling import flat
from serving.local import free_port
from tests.asking import JSON, ask, records
from tests.browsing import barriers, form_of
from tests.helpers import Trained, champion_id, query, run_main
from tests.servers import Server
from web import __main__ as web

NOTHING_ASKED = "Nothing was asked yet: see the fields marked below."


@pytest.fixture
def offers(trained: Trained, loaded: str, server: Server, tmp_path: Path) -> Iterator[str]:
    """The page for offers, with champion and challenger."""
    flags = ("--champion", server.url, "--challenger", f"{server.url}/challenger")
    with form_of(trained.tracking_uri, loaded, tmp_path, *flags) as url:
        yield url


def fill(page: Page, rates: tuple[str, ...] = ("9.99", "35", "19.99")) -> None:
    page.get_by_label("Amount requested").fill("8000")
    page.get_by_label("Purpose of the loan").select_option("debt_consolidation")
    page.get_by_label("Credit standing").select_option("fair")
    page.get_by_label("Annual income").fill("52000")
    for number, rate in enumerate(rates, 1):
        page.get_by_label(f"APR {number}").fill(rate)


def send(page: Page) -> None:
    page.get_by_role("button", name="Ask").click()


def entered(database: Path | str, table: str = "results_clicked") -> list[tuple[object, ...]]:
    columns = "model_id, apr, click_probability, clicked, offer_id, scoring_run_id"
    if table != "results_clicked":
        columns = "*"
    return query(database, f"SELECT {columns} FROM {table} WHERE source = 'form' ORDER BY id")


def rates_shown(page: Page) -> list[str]:
    table = page.get_by_role("table").first
    at = table.locator("thead th").all_inner_texts().index("APR")
    return [row.locator("td").nth(at).inner_text() for row in table.locator("tbody tr").all()]


@pytest.mark.parametrize("alias", ["champion", "challenger"])
def test_offers_to_one_person_are_ranked_and_stored_under_the_version_that_answered(
    alias: str, page: Page, offers: str, loaded: str, server: Server
) -> None:
    page.goto(offers)
    fill(page)
    page.get_by_label(alias.capitalize()).check()
    send(page)
    path = "/challenger" if alias == "challenger" else ""
    row = {
        "requested": 8000, "loan_purpose": "debt_consolidation", "credit": "fair",
        "annual_income": 52000,
    }  # fmt: skip
    answer = ask(
        f"{server.url}{path}", JSON, records(*(row | {"apr": a} for a in (9.99, 35, 19.99)))
    )
    expected = [p for _, p in answer.json()["predictions"]]
    version = server.model(alias)
    found = entered(loaded)
    assert [line[:2] for line in found] == [
        (version["model_version"], apr) for apr in (9.99, 35.0, 19.99)
    ]
    assert [line[2] for line in found] == pytest.approx(expected, rel=1e-9)
    words = ["Clicked" if p >= version["threshold"] else "Not clicked" for p in expected]
    assert [line[3:] for line in found] == [(word, None, None) for word in words]
    ranked = sorted(zip(expected, ("9.99", "35", "19.99"), strict=True), reverse=True)
    assert rates_shown(page) == [rate for _, rate in ranked]
    assert f"{max(expected):.2%}".replace("%", "\xa0%") in page.inner_text("main")
    assert page.get_by_label("Annual income").input_value() == "52000"
    page.reload()  # which does not ask again
    assert len(entered(loaded)) == 3


def test_one_loan_is_answered_by_words_and_probability(
    page: Page, browser: Browser, loans_trained: Trained, loan_champion: str, tmp_path: Path
) -> None:
    database = loans_trained.copy_database(tmp_path / "loans.db")
    flags = ("--problem", "loan_risk", "--champion", loan_champion)
    with form_of(loans_trained.tracking_uri, database, tmp_path, *flags) as url:
        page.goto(url)
        page.get_by_label("Amount of the loan").fill("10000")
        page.get_by_label("Interest rate").fill("0.119")
        page.get_by_label("Home").select_option("RENT")
        page.get_by_label("Debt to income").fill("20")
        assert page.get_by_label("Champion").count() == 0  # there is no choice
        send(page)
        verdict = page.locator(".verdict").inner_text()
        assert re.fullmatch(r"(No risk|Risk), with a probability of \d+\.\d\d\s%\.", verdict)
        (stored,) = entered(database, "results_risk")
        assert {10000.0, 0.119, "RENT", 20.0, verdict.partition(",")[0], None} <= set(stored)
        assert barriers(browser, url) == []


def test_what_is_wrong_is_told_at_its_field_and_what_was_entered_stays(
    page: Page, offers: str, loaded: str
) -> None:
    page.goto(offers)
    fill(page, ("9.99", "-1"))
    page.get_by_label("Annual income").fill("a <b>lot</b>")
    send(page)
    assert page.get_by_role("alert").inner_text() == NOTHING_ASKED
    income, second = page.get_by_label("Annual income"), page.get_by_label("APR 2")
    for field, told in ((income, "This is no number"), (second, "This is less than 0")):
        described = field.get_attribute("aria-describedby") or ""
        assert told in page.locator(f"#{described.split()[-1]}").inner_text()
        assert field.get_attribute("aria-invalid") == "true"
    assert income.input_value() == "a <b>lot</b>"
    assert page.get_by_label("Amount requested").input_value() == "8000"
    assert page.get_by_label("Purpose of the loan").input_value() == "debt_consolidation"
    assert page.title().startswith("Error: ")
    assert entered(loaded) == []
    for bad in ("nan", "inf", "1e400", "1_000", "1,5", "0x10"):
        income.fill(bad)
        send(page)
        assert page.get_by_text("This is no number").count() == 1, bad
    assert entered(loaded) == []


def test_more_lines_can_be_had_and_nothing_at_all_is_not_asked(
    page: Page, offers: str, loaded: str
) -> None:
    page.goto(offers)
    send(page)
    assert page.get_by_role("alert").inner_text() == "Nothing was entered: fill in what is known."
    page.get_by_label("Annual income").fill("1000")
    page.get_by_role("button", name="More lines").click()
    assert page.get_by_label("Annual income").input_value() == "1000"
    page.get_by_label("APR 8").fill("12.5")
    send(page)
    assert [line[1] for line in entered(loaded)] == [12.5]


def test_an_endpoint_that_is_down_or_serves_another_version_is_told_and_nothing_stored(
    page: Page, trained: Trained, loaded: str, challenger: str, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    flags = ("--champion", challenger, "--challenger", nobody)
    with form_of(trained.tracking_uri, loaded, tmp_path, *flags) as url:
        page.goto(url)
        fill(page)
        send(page)
        said = page.get_by_role("alert").inner_text()
        assert said.startswith(f"Nothing was stored. {challenger} does not answer as")
        assert champion_id(trained) in said
        page.get_by_label("Challenger").check()
        send(page)
        said = page.get_by_role("alert").inner_text()
        assert said.startswith(f"Nothing was stored. No model answers at {nobody}")
        assert page.get_by_label("Annual income").input_value() == "52000"
    assert entered(loaded) == []


def test_a_locked_database_is_told_and_nothing_stored(page: Page, offers: str, loaded: str) -> None:
    page.goto(offers)
    fill(page)
    with opened(database_url(loaded)) as engine, writing(engine) as other:
        if other.dialect.name == "postgresql":  # on SQLite whoever writes locks out all others
            other.exec_driver_sql("LOCK TABLE results_clicked IN EXCLUSIVE MODE")
        send(page)
        said = page.get_by_role("alert").inner_text()
        assert said.startswith("Nothing was stored. The database")
        assert re.search("locked|lock timeout", said)
    assert entered(loaded) == []
    send(page)
    assert len(entered(loaded)) == 3


def test_nothing_keeps_people_out(browser: Browser, offers: str) -> None:
    assert barriers(browser, offers) == []
    context = browser.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(offers)
    fill(page, ("no", "number"))
    send(page)
    assert page.get_by_role("alert").is_visible()
    assert Axe().run(page).response["violations"] == []
    fill(page)
    page.get_by_label("APR 1").press("Enter")  # which sends it, and does not ask for more lines
    assert rates_shown(page)
    assert Axe().run(page).response["violations"] == []
    context.close()
    assert barriers(browser, page.url) == []


def test_all_of_it_can_be_done_from_the_keyboard(browser: Browser, offers: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(offers)
    for keys in ("", "8000", "d", "f", "52000", "9.99"):  # the radio buttons first
        page.keyboard.press("Tab")
        page.keyboard.type(keys)
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/?result=*")
    assert rates_shown(page) == ["9.99"]
    context.close()


def test_another_page_cannot_send_the_form_nor_ask_by_another_name(
    offers: str, loaded: str
) -> None:
    sent = {"field_0": "8000", "model": "champion", "rivals-0-field_4": "10"}
    answer = requests.post(offers, data=sent, timeout=30)
    assert answer.status_code == 400
    assert "please send it again" in answer.text
    assert requests.get(offers, headers={"Host": "evil.example"}, timeout=30).status_code == 400
    assert entered(loaded) == []
    headers = requests.get(offers, timeout=30).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "SameSite=Strict" in headers["Set-Cookie"]


def test_choices_that_are_none_are_refused_without_being_repeated(offers: str, loaded: str) -> None:
    with requests.Session() as session:
        session.headers["Connection"] = "close"  # what is refused unread would end it anyway
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', session.get(offers).text)
        assert token
        nasty = "<script>alert(1)</script>"
        sent = {"csrf_token": token[1], "field_1": nasty, "model": nasty, "field_0": nasty}
        answer = session.post(offers, data=sent)
        assert answer.status_code == 422
        assert "<script>" not in answer.text
        assert session.post(offers, data={"x": "y" * 200_000}).status_code in (400, 413)
        assert session.get(f"{offers}/nowhere").status_code == 404
        assert (
            session.get(f"{offers}/?result=1&result=x&result=-5&result={'9' * 30}").status_code
            == 200
        )
    assert entered(loaded) == []


def test_what_was_entered_can_be_labelled_and_trained_on(
    page: Page, offers: str, tmp_path: Path
) -> None:
    for rates in (("9.99", "35"), ("19.99",)):
        page.goto(offers)
        fill(page, rates)
        send(page)
    text = requests.get(f"{offers}/entries.csv", timeout=30).text
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["apr"] for row in rows] == ["9.99", "35.0", "19.99"]
    assert rows[0]["lead_uuid"] == rows[1]["lead_uuid"] != rows[2]["lead_uuid"]
    file = tmp_path / "labelled.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        for number in range(400):  # as many more like them as a split needs
            for row in rows:
                group = f"{row['lead_uuid']} {number}"
                writer.writerow(row | {"lead_uuid": group, "label": number % 2})
    data = flat.read(file, "label", problems.load())
    assert len(data.raw) == 1_200


def test_what_is_wrong_with_the_flags_is_told_in_a_sentence(
    loaded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(web.main, "--database", loaded, "--host", "0.0.0.0") == 2  # noqa: S104
    assert "say --insecure" in capsys.readouterr().err
    assert run_main(web.main, "--database", tmp_path / "none.db") == 2
    assert run_main(web.main, "--database", loaded, "--champion", "here") == 2
    assert "is not an address" in capsys.readouterr().err

"""The form is accessible, and can be used with the keyboard alone."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.support.browser import accessibility_problems
from tests.support.form import IGNORE_OLD_CHOICES, displayed_rates, fill, send

pytestmark = IGNORE_OLD_CHOICES


def test_no_page_of_the_form_has_accessibility_problems(browser: Browser, offers_form: str) -> None:
    assert accessibility_problems(browser, offers_form) == []
    context = browser.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(offers_form)
    fill(page, ("no", "number"))
    send(page)
    assert page.get_by_role("alert").is_visible()
    assert Axe().run(page).response["violations"] == []
    fill(page)
    page.get_by_label("APR 1").press("Enter")  # submits the form and does not add lines
    assert displayed_rates(page)
    assert Axe().run(page).response["violations"] == []
    context.close()
    assert accessibility_problems(browser, page.url) == []


def test_the_form_can_be_used_with_the_keyboard(browser: Browser, offers_form: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(offers_form)
    for keys in ("", "8000", "d", "f", "52000", "9.99"):  # the radio buttons first
        page.keyboard.press("Tab")
        page.keyboard.type(keys)
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/?result=*")
    assert displayed_rates(page) == ["9.99"]
    context.close()

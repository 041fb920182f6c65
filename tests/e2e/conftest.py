"""Fixtures of the end-to-end tests: a real browser and the form for offers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.form import form_in_thread


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium: the system's, or the one that Playwright has installed."""
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        path = installed or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.fail(
                "There is no browser for the tests of the form: run `make test`, which installs it."
            )
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of the browser with JavaScript disabled."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.fixture
def offers_form(small_database: str, champion: str, challenger: str) -> Iterator[str]:
    """The URL of the form for offers in a thread, with champion and challenger."""
    endpoints = {"champion": champion, "challenger": challenger}
    with form_in_thread(small_database, endpoints) as url:
        yield url

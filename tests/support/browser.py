"""Checks of pages in a real browser."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser


def accessibility_problems(browser: Browser, url: str) -> list[str]:
    """The problems that axe-core finds on a page, at the width of a phone and of a desktop."""
    problems: list[str] = []
    for width in (360, 1200):
        context = browser.new_context(viewport={"width": width, "height": 800})
        page = context.new_page()
        page.goto(url)
        problems += [rule["id"] for rule in Axe().run(page).response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            problems.append(f"wider than {width} pixels")
        context.close()
    return problems

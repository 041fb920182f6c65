"""The page for trying a model by hand, as a real process, and what a browser finds on it."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from serving.local import free_port
from tests.helpers import PROJECT
from tests.servers import running


@contextlib.contextmanager
def form_of(tracking_uri: str, database: Path | str, folder: Path, *flags: object) -> Iterator[str]:
    """A real `python -m web`, stopped at the end; gives its address."""
    port, log = free_port(), folder / "web.log"
    command = [sys.executable, "-m", "web", "--database", database, "--port", port, *flags]
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        return requests.get(url, timeout=30).ok

    environment = {"MLFLOW_TRACKING_URI": tracking_uri}
    with running(command, log, up, cwd=PROJECT, environment=environment) as process:
        yield url
        process.terminate()
        assert process.wait(60) in (0, 143), log.read_text()


def barriers(browser: Browser, url: str) -> list[str]:
    """What axe-core finds wrong with the page at an address, at the width of a phone and a desk."""
    found: list[str] = []
    for width in (360, 1200):
        context = browser.new_context(viewport={"width": width, "height": 800})
        page = context.new_page()
        page.goto(url)
        found += [rule["id"] for rule in Axe().run(page).response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"it is wider than {width}")
        context.close()
    return found

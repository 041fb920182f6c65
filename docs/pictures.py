"""Take the pictures in docs/: screenshots of MLflow, and the scorecard of the champion.

make run && make pictures
"""

import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

import cli
import problems
from registry import aliases, store, versions
from scoring.local_server import free_port, run_server

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1280, 800
MILLISECONDS_TO_DRAW = 6_000  # MLflow's pages do not show when they are complete


def main() -> int:
    client, name = store.connect(), problems.load().model_name
    champion = client.get_model_version_by_alias(name, aliases.CHAMPION)
    run = client.get_run(str(champion.run_id))
    grid_points = json.dumps(sorted(versions.child_runs(client, run)))
    experiments = json.dumps([run.info.experiment_id])
    pages = {
        "run": store.run_page(run),
        "compare": f"compare-runs?runs={grid_points}&experiments={experiments}"
        f"&{store.TRAINING_VIEW}",
    }
    port = str(free_port())
    command = [sys.executable, "-m", "mlflow", "ui", "--port", port]
    command += ["--backend-store-uri", client.tracking_uri]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    address = f"http://127.0.0.1:{port}"
    with run_server(command, f"{address}/health"), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in pages.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(f"{address}/#/{path}", wait_until="commit")
            page.wait_for_timeout(MILLISECONDS_TO_DRAW)
            if (assistant := page.get_by_role("button", name="Close")).count():
                assistant.first.click()
                page.wait_for_timeout(MILLISECONDS_TO_DRAW)
            page.screenshot(path=HERE / f"{name}.png")
        browser.close()
    shutil.copy(client.download_artifacts(str(champion.run_id), "scorecard.png"), HERE)
    return 0


if __name__ == "__main__":
    cli.run(main)

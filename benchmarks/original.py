"""Baseline of benchmark 2: one web request per row, as in the former system.

    python -m benchmarks.original FOLDER ROWS

For each row a Flask form unpickles the model, predicts, inserts into SQLite and commits. A loop
posts the rows one by one over one connection. FOLDER holds model.pkl and rows.parquet. It prints
the rows per second of the loop, without startup.
"""

import pickle
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import requests
from flask import Flask, request
from werkzeug.serving import WSGIRequestHandler, make_server

from registry import model_files, store, versions

NUMBERS = ("requested", "annual_income", "apr")
TEXTS = ("loan_purpose", "credit")


def save_model(uri: str, folder: Path) -> None:
    """Pickle a registered version, as the former system did."""
    version = versions.resolve(store.connect(), uri)
    with (folder / "model.pkl").open("wb") as file:
        pickle.dump(model_files.load(version).get_raw_model(), file)


def create_app(folder: Path) -> Flask:
    app = Flask(__name__)

    @app.post("/")
    def score() -> str:
        with (folder / "model.pkl").open("rb") as file:
            model = pickle.load(file)  # noqa: S301  (a part of the baseline)
        form = request.form
        row = {name: form.get(name) for name in (*NUMBERS, *TEXTS)}
        frame = pd.DataFrame([row]).astype(dict.fromkeys(NUMBERS, "float64"))
        probability = float(model.predict_proba(frame)[0, 1])
        with sqlite3.connect(folder / "original.db") as connection:
            connection.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)", (*row.values(), probability)
            )
        connection.close()
        return f"<p>The probability of a click is {probability:.4f}.</p>"

    return app


class KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_args: object) -> None:
        pass


def main(folder: Path, rows: int) -> None:
    (folder / "original.db").unlink(missing_ok=True)
    columns = ", ".join((*NUMBERS, *TEXTS, "probability"))
    with sqlite3.connect(folder / "original.db") as connection:
        connection.execute(f"CREATE TABLE results ({columns})")
    server = make_server("127.0.0.1", 0, create_app(folder), request_handler=KeepAlive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    forms = pq.read_table(folder / "rows.parquet").slice(0, rows).to_pylist()
    with requests.Session() as session:
        session.post(f"http://127.0.0.1:{server.port}", data=forms[0], timeout=60)
        started = time.perf_counter()
        for form in forms:
            response = session.post(f"http://127.0.0.1:{server.port}", data=form, timeout=60)
            response.raise_for_status()
        print(rows / (time.perf_counter() - started))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

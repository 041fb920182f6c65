"""Baseline of figure 1: the client's work in one process, without REST.

    python -m benchmarks.in_process DATABASE MODEL_URI

Imports, `pyfunc.load_model`, the same select in the same order, `predict`, the same storing; pages
of 20,000 rows, with which it is fastest. No canary rows, no retries, no report, no MLflow run.
"""

import gc
import sys

import pandas as pd

import problems
from db import results, runs
from db.engine import database_url, open_database
from problems.split import held_out_mask
from registry import model_files, store, versions

ROWS = 20_000


def main(database: str, uri: str) -> None:
    problem = problems.load()
    version = versions.resolve(store.connect(), uri)
    model = model_files.load(version)
    gc.freeze()  # as the client does
    with open_database(database_url(database)) as engine:
        runs.remember_version(
            engine, version.model_id, version.logged_model_id, version.registry, version.threshold
        )
        run = runs.start_run(engine, version.model_id, "in process")
        after = None
        while True:
            page = results.read_pending_page(engine, problem.scoring, run.model_id, after, ROWS)
            if not len(page):
                break
            after = page.columns[problem.scoring.key.name][-1]
            frame = pd.DataFrame({f.name: page.columns[f.name] for f in problem.features})
            frame = frame.astype(dict.fromkeys(problem.numbers, "float64"))
            answers = model.predict(frame)[:, 1]
            words = version.decide(answers, problem.outcome_labels)
            held = held_out_mask(page.columns[problem.group_name])
            last = version.trained_on.last_load
            trained_on = [
                load <= last and not out
                for load, out in zip(page.columns["load_id"], held, strict=True)
            ]
            scored = results.ScoredPage(page, answers.tolist(), words.tolist(), trained_on)
            results.store_scores(engine, problem.scoring, run, scored)
        runs.end_run(engine, problem.scoring, run, "finished")


if __name__ == "__main__":
    main(*sys.argv[1:])

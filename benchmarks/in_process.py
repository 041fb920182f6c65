"""Baseline of benchmark 1: do the client's work in one process, without REST.

    python -m benchmarks.in_process DATABASE MODEL_URI

It loads the model by `pyfunc`, reads and stores the same rows with the same functions, and calls
`predict` on pages of 20,000 rows, the fastest size. It has no canary rows, no retries, no summary
and no MLflow run.
"""

import gc
import sys
from functools import partial

import pandas as pd

import problems
from db import results, runs
from db.engine import database_url, open_database
from problems.split import trained_on_mask
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
        read = partial(results.read_pending_page, engine, problem.scoring, run.model_id)
        while len(page := read(after, ROWS)):
            after = page.columns[problem.scoring.key.name][-1]
            frame = pd.DataFrame({f.name: page.columns[f.name] for f in problem.features})
            frame = frame.astype(dict.fromkeys(problem.numbers, "float64"))
            probabilities = model.predict(frame)[:, 1]
            labels = version.decide(probabilities, problem.outcome_labels)
            groups, loads = page.columns[problem.group_name], page.columns["load_id"]
            trained_on = trained_on_mask(groups, loads, version.trained_on.last_load)
            scored = results.ScoredPage(page, probabilities.tolist(), labels.tolist(), trained_on)
            results.store_scores(engine, problem.scoring, run, scored)
        runs.end_run(engine, problem.scoring, run, "finished")


if __name__ == "__main__":
    main(*sys.argv[1:])

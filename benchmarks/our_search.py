"""Benchmark 6: the grid search of train.py over all candidates except the benchmark models.

    python -m benchmarks.our_search DATABASE

It prints the seconds from the split into folds to the fitted pipelines, the grid points, and the
training rows.
"""

import sys
import time
from pathlib import Path

import problems
from db.engine import database_url, open_database
from training import dataset
from training.dataset import Dataset
from training.search import SearchResult, search_grid
from training.threshold import ThresholdRule

FOLDS = 5


def search_candidates(data: Dataset) -> list[SearchResult]:
    """Search, fit, and choose the threshold of each candidate that is no benchmark model."""
    folds = [data.folds(data.train, FOLDS, 0)]
    results = []
    for candidate in data.problem.candidates(data.categories, 0):
        if not candidate.is_benchmark:
            result = search_grid(candidate, data.train, folds, -1)
            ThresholdRule().choose_threshold(*result.labels_and_probabilities(data.train.label))
            results.append(result)
    return results


def main(database: Path) -> None:
    with open_database(database_url(str(database))) as engine:
        data = dataset.read(engine, problems.load())
    started, rows = time.perf_counter(), len(data.train)
    results = search_candidates(data)
    seconds = time.perf_counter() - started
    print(seconds, sum(len(result.grid_points) for result in results), rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

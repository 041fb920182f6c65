"""Figure 6: the search over the candidates that may serve, on all training rows, as train.py does.

    python -m benchmarks.our_search DATABASE

Prints the seconds from dealing out the folds to the fitted pipelines, and the grid points.
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


def searched(data: Dataset) -> list[SearchResult]:
    """Search, fit, and choose the threshold of each candidate that is no yardstick."""
    folds = [data.folds(data.train, FOLDS, 0)]
    found = []
    for candidate in data.problem.candidates(data.categories, 0):
        if not candidate.is_benchmark:
            found.append(search_grid(candidate, data.train, folds, -1))
            ThresholdRule().choose_threshold(*found[-1].labels_and_probabilities(data.train.label))
    return found


def main(database: Path) -> None:
    with open_database(database_url(str(database))) as engine:
        data = dataset.read(engine, problems.load())
    started, rows = time.perf_counter(), len(data.train)
    found = searched(data)
    seconds = time.perf_counter() - started
    print(seconds, sum(len(f.grid_points) for f in found), rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

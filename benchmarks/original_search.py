"""Baseline of benchmark 6: the grid search of the former system, on as many rows as it had.

    python -m benchmarks.original_search DATABASE JOBS

The rows are a sample with equally many of both labels. It has five columns, with categories coded
as arbitrary integers. The grid has 3 solvers and 5 values of C; 10 folds are repeated 3 times. It
prints the seconds of the search.
"""

import sys
import time
import warnings
from pathlib import Path

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold

import problems
from db.engine import database_url, open_database
from training import dataset

ROWS = 13_963
GRID = {"solver": ["newton-cg", "lbfgs", "liblinear"], "C": [100, 10, 1.0, 0.1, 0.01]}


def search(rows: pd.DataFrame, features: list[str], jobs: int) -> GridSearchCV:
    """Search on at most `ROWS` rows, half of them clicked."""
    clicked, others = rows[rows["label"] == 1], rows[rows["label"] == 0]
    half = pd.concat([clicked, others.sample(len(clicked), random_state=1)])
    half = half.sample(frac=1, random_state=1).head(ROWS).reset_index(drop=True)
    columns = half[features].copy()
    for name in columns.select_dtypes(exclude="number"):
        columns[name] = pd.factorize(columns[name])[0]
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=3, random_state=1)
    grid = GridSearchCV(LogisticRegression(), GRID, n_jobs=jobs, cv=folds, scoring="accuracy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on unscaled columns it seldom converges
        return grid.fit(columns.fillna(columns.median()), half["label"])


def main(database: Path, jobs: int) -> None:
    problem = problems.load()
    with open_database(database_url(str(database))) as engine:
        rows = dataset.read(engine, problem).raw
    started = time.perf_counter()
    search(rows, problem.feature_names, jobs)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

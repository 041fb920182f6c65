"""Find a candidate's best grid point by cross-validation, computing what can be shared once.

Of a pipeline all steps but the last are fitted once for each fold and each of their own grid
points, and the models of the grid are then fitted one after the other on what they make of the
rows. (GridSearchCV fits them again for every grid point; Pipeline(memory=…) hashes the rows and
keeps pickles of them.)
"""

import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from modeling.dataset import Rows
from modeling.evaluate import Spread, spread
from problems import Candidate, ProblemError

Folds = Sequence[tuple[np.ndarray, np.ndarray]]

# what the search scores; ranked by log loss, which asks for honest probabilities
SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "log_loss": log_loss,
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
}
RANKED_BY = "log_loss"


@dataclass(frozen=True)
class GridPoint:
    """One point of the grid: its parameters, and its metrics over all folds."""

    params: dict[str, Any]
    scores: dict[str, Spread]
    fit_seconds: float

    @property
    def metrics(self) -> dict[str, float]:
        # the UI's plots begin with the first one, which is what the search ranks by
        found: dict[str, float] = {}
        for name, score in self.scores.items():
            found |= {f"cv_{name}": score.mean, f"cv_{name}_std": score.std}
        return {**found, "fit_seconds": self.fit_seconds}


@dataclass(frozen=True)
class Found:
    """A candidate's search: its best pipeline, fitted on all training rows.

    `by_fold` has the best point's scores, an array of shape (folds of all repeats,) for each;
    `out_of_fold` what it says of each searched row when it has not seen it, of shape
    (repeats, rows).
    """

    candidate: Candidate
    estimator: Any
    best: GridPoint
    points: list[GridPoint]
    by_fold: dict[str, np.ndarray]
    out_of_fold: np.ndarray

    def out_of_fold_labels(self, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The searched rows' labels and out-of-fold probabilities, all repeats in a row."""
        return np.tile(label, len(self.out_of_fold)), self.out_of_fold.ravel()


@dataclass(frozen=True)
class Answer:
    """What a fold's models, one for each grid point of a task, say of the rows left out."""

    point: int
    fold: int
    probability: np.ndarray
    scores: dict[str, float]
    fit_seconds: float


def search(
    candidate: Candidate,
    rows: Rows,
    repeats: Sequence[Folds],
    jobs: int,
    *,
    refit_on: Rows | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Found:
    """Search a candidate's grid over all folds of all repeats of the cross-validation.

    `jobs` is as joblib counts them, -1 for every core. The best is fitted again on all of `rows`,
    or on `refit_on`. `advance` is told of each fit.

    Raises:
        ProblemError: scikit-learn cannot fit the pipeline, or does not know a name in the grid.
    """
    grid = list(ParameterGrid({name: list(v) for name, v in candidate.grid.items()}))
    folds = [fold for folds in repeats for fold in folds]
    said = np.empty((len(grid), len(repeats), len(rows)))
    scores = {name: np.empty((len(grid), len(folds))) for name in SCORES}
    seconds = np.empty((len(grid), len(folds)))
    try:
        pipeline, tasks = candidate.pipeline, list(_tasks(candidate.pipeline, grid))
        rows_sent = (rows.features, rows.label)  # not the groups, which take long to send
        parallel = Parallel(jobs, return_as="generator_unordered", max_nbytes="1M")
        for answers in parallel(
            delayed(_fold)(pipeline, [(p, grid[p]) for p in points], *rows_sent, number, fold)
            for points in tasks
            for number, fold in enumerate(folds)
        ):
            for answer in answers:
                repeat = answer.fold // len(repeats[0])
                said[answer.point, repeat, folds[answer.fold][1]] = answer.probability
                seconds[answer.point, answer.fold] = answer.fit_seconds
                for name, value in answer.scores.items():
                    scores[name][answer.point, answer.fold] = value
                advance(1)
        best = int(np.argmin(scores[RANKED_BY].mean(axis=1)))
        estimator = clone(pipeline).set_params(**grid[best])
        with _quiet():
            fitted = estimator.fit((refit_on or rows).features, (refit_on or rows).label)
    except Exception as error:
        raise ProblemError(
            f"{candidate.name} cannot be fitted ({type(error).__name__}: "
            f"{_without_values(str(error), candidate, rows)}): mend its pipeline or its grid in "
            "candidates.py."
        ) from error
    points = [
        GridPoint(
            _short(params),
            {name: spread(found[at], len(repeats[0])) for name, found in scores.items()},
            float(seconds[at].mean()),
        )
        for at, params in enumerate(grid)
    ]
    by_fold = {name: found[best] for name, found in scores.items()}
    return Found(candidate, fitted, points[best], points, by_fold, said[best])


def _tasks(pipeline: Any, grid: Sequence[dict[str, Any]]) -> Iterator[list[int]]:
    """Positions of the grid points that share all but the last step, in the grid's order."""
    last = pipeline.steps[-1][0] if isinstance(pipeline, Pipeline) else ""
    shared: dict[str, list[int]] = {}
    for at, params in enumerate(grid):
        own = {k: v for k, v in params.items() if k.partition("__")[0] != last and last}
        shared.setdefault(repr(sorted(own.items())), []).append(at)
    return iter(shared.values())


def _fold(
    pipeline: Any,
    points: Sequence[tuple[int, dict[str, Any]]],
    features: pd.DataFrame,
    labels: np.ndarray,
    number: int,
    fold: tuple[np.ndarray, np.ndarray],
) -> list[Answer]:
    """Fit the models of these grid points, which share the steps before the model, on a fold."""
    train, test = fold
    label, unseen = labels[train], labels[test]
    model, answers = None, []
    with _quiet():
        started = time.perf_counter()
        steps = clone(pipeline).set_params(**points[0][1])
        seen, asked = features.iloc[train], features.iloc[test]
        if isinstance(steps, Pipeline) and len(steps) > 1:
            columns = steps[:-1]
            seen = _compact(columns.fit_transform(seen, label))
            asked = _compact(columns.transform(asked))
        shared = (time.perf_counter() - started) / len(points)
        for point, params in points:
            started = time.perf_counter()
            steps = clone(pipeline).set_params(**params)
            model = _going_on(model, steps[-1] if isinstance(steps, Pipeline) else steps)
            model.fit(seen, label)
            taken = time.perf_counter() - started + shared
            said = model.predict_proba(asked)[:, 1].astype(np.float64)
            scores = {name: float(score(unseen, said)) for name, score in SCORES.items()}
            answers.append(Answer(point, number, said, scores, taken))
    return answers


def _compact(columns: Any) -> Any:
    """Sparse columns in single precision: reading them is what a fit's time goes to.

    They are ones and zeros for the most part. The model that is kept is fitted in double.
    """
    return columns.astype(np.float32) if issparse(columns) else columns


def _going_on(before: Any, model: Any) -> Any:
    """The model; a logistic regression starts where the one before it has ended.

    Its optimum is the same wherever it starts, and close to that of the grid point before.
    """
    if type(model) is not LogisticRegression:  # what is derived from it may be something else
        return model
    if type(before) is LogisticRegression:
        model = before.set_params(**model.get_params())
    return model.set_params(warm_start=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Do not warn of what is meant: values that many rows share make fewer bins than asked for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Bins whose width are too small")
        warnings.filterwarnings("ignore", r"Feature \d+ is constant")
        yield


def _without_values(reason: str, candidate: Candidate, rows: Rows) -> str:
    """An error's text without what it quotes, which may be somebody's: but for names of ours."""
    names = {part for name in candidate.grid for part in name.split("__")}
    names |= set(rows.features.columns)
    quoted = re.sub(r"'([^']*)'", lambda q: q[0] if q[1] in names else "'…'", reason)
    return " ".join(quoted.split())[:300].rstrip(".")


def _short(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters by their last name (C, n_bins), which people know, where that is unambiguous."""
    last = [name.rpartition("__")[2] for name in params]
    return {
        (short if last.count(short) == 1 else name): value
        for short, (name, value) in zip(last, params.items(), strict=True)
    }

"""Find a candidate's best grid point by cross-validation, computing what can be shared once.

Of a pipeline all steps but the last are fitted once for each fold and each of their own grid
points, and the models of the grid are then fitted one after the other on what they make of the
rows. (GridSearchCV fits them again for every grid point; Pipeline(memory=…) hashes the rows and
keeps pickles of them.)
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from problems import Candidate, ProblemError
from training.dataset import Rows
from training.evaluate import FoldSummary, summarize_folds
from training.fold import FOLD_METRICS, fit_fold, ignore_expected_warnings

Folds = Sequence[tuple[np.ndarray, np.ndarray]]

RANKED_BY = "log_loss"  # which asks for honest probabilities


@dataclass(frozen=True)
class GridPoint:
    """One point of the grid: its parameters, and its metrics over all folds."""

    params: dict[str, Any]
    scores: dict[str, FoldSummary]
    fit_seconds: float

    @property
    def metrics(self) -> dict[str, float]:
        # the UI's plots begin with the first one, which is what the search ranks by
        found: dict[str, float] = {}
        for name, score in self.scores.items():
            found |= {f"cv_{name}": score.mean, f"cv_{name}_std": score.std}
        return {**found, "fit_seconds": self.fit_seconds}


@dataclass(frozen=True)
class SearchResult:
    """A candidate's search: its best pipeline, fitted on all training rows.

    `by_fold` has the best point's scores, an array of shape (folds of all repeats,) for each;
    `out_of_fold` what it says of each searched row when it has not seen it, of shape
    (repeats, rows).
    """

    candidate: Candidate
    estimator: Any
    best: GridPoint
    grid_points: list[GridPoint]
    fold_scores: dict[str, np.ndarray]
    out_of_fold_probabilities: np.ndarray

    def labels_and_probabilities(self, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The searched rows' labels and out-of-fold probabilities, all repeats in a row."""
        return np.tile(
            label, len(self.out_of_fold_probabilities)
        ), self.out_of_fold_probabilities.ravel()


@dataclass(frozen=True)
class Answers:
    """All answers: probabilities of shape (points, repeats, rows), the rest (points, folds)."""

    said: np.ndarray
    scores: dict[str, np.ndarray]
    seconds: np.ndarray


def search_grid(
    candidate: Candidate,
    rows: Rows,
    repeats: Sequence[Folds],
    jobs: int,
    *,
    refit_on: Rows | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> SearchResult:
    """Search a candidate's grid over all folds of all repeats of the cross-validation.

    `jobs` is as joblib counts them, -1 for every core. The best is fitted again on all of `rows`,
    or on `refit_on`. `advance` is told of each fit.

    Raises:
        ProblemError: scikit-learn cannot fit the pipeline, or does not know a name in the grid.
    """
    grid = list(ParameterGrid({name: list(v) for name, v in candidate.grid.items()}))
    try:
        answers = _cross_validated(candidate.pipeline, grid, rows, repeats, jobs, advance)
        best = int(np.argmin(answers.scores[RANKED_BY].mean(axis=1)))
        estimator = clone(candidate.pipeline).set_params(**grid[best])
        with ignore_expected_warnings():
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
            {
                name: summarize_folds(found[at], len(repeats[0]))
                for name, found in answers.scores.items()
            },
            float(answers.seconds[at].mean()),
        )
        for at, params in enumerate(grid)
    ]
    by_fold = {name: found[best] for name, found in answers.scores.items()}
    return SearchResult(candidate, fitted, points[best], points, by_fold, answers.said[best])


def _cross_validated(
    pipeline: Any,
    grid: Sequence[dict[str, Any]],
    rows: Rows,
    repeats: Sequence[Folds],
    jobs: int,
    advance: Callable[[int], None],
) -> Answers:
    """Fit every grid point on every fold, as many at once as there are jobs."""
    folds = [fold for folds in repeats for fold in folds]
    answers = Answers(
        said=np.empty((len(grid), len(repeats), len(rows))),
        scores={name: np.empty((len(grid), len(folds))) for name in FOLD_METRICS},
        seconds=np.empty((len(grid), len(folds))),
    )
    sent = (rows.features, rows.label)  # not the groups, which take long to send
    tasks = list(_tasks(pipeline, grid))
    parallel = Parallel(jobs, return_as="generator_unordered", max_nbytes="1M")
    for done in parallel(
        delayed(fit_fold)(pipeline, [(p, grid[p]) for p in points], *sent, number, fold)
        for points in tasks
        for number, fold in enumerate(folds)
    ):
        for answer in done:
            point, fold = answer.point, answer.fold
            answers.said[point, fold // len(repeats[0]), folds[fold][1]] = answer.probability
            answers.seconds[point, fold] = answer.fit_seconds
            for name, value in answer.scores.items():
                answers.scores[name][point, fold] = value
            advance(1)
    return answers


def _tasks(pipeline: Any, grid: Sequence[dict[str, Any]]) -> Iterator[list[int]]:
    """Positions of the grid points that share all but the last step, in the grid's order."""
    last = pipeline.steps[-1][0] if isinstance(pipeline, Pipeline) else ""
    shared: dict[str, list[int]] = {}
    for at, params in enumerate(grid):
        own = {k: v for k, v in params.items() if k.partition("__")[0] != last and last}
        shared.setdefault(repr(sorted(own.items())), []).append(at)
    return iter(shared.values())


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

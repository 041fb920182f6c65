"""Search a candidate's grid by cross-validation, and compute what grid points share only once.

All steps of a pipeline except the last are fitted once per fold for the grid points that have the
same parameters there; the models of these grid points are then fitted one after the other on the
transformed rows. (GridSearchCV fits all steps for every grid point; Pipeline(memory=…) hashes the
rows and stores pickles of them.)
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from cli import one_line
from metrics.cross_validation import FoldSummary, summarize_folds
from metrics.gain import MeasuredGain
from problems import Candidate, ProblemError
from training.dataset import Rows
from training.fold import FOLD_METRICS, GAIN, fit_fold, ignore_expected_warnings

Folds = Sequence[tuple[np.ndarray, np.ndarray]]

SEARCH_METRIC = "log_loss"  # it rewards calibrated probabilities


@dataclass(frozen=True)
class GridPoint:
    """One point of the grid: its parameters, and its scores over all folds."""

    params: dict[str, Any]
    scores: dict[str, FoldSummary]
    fit_seconds: float

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.params.items())

    @property
    def metrics(self) -> dict[str, float]:
        """The scores under the names that MLflow logs; its plots start with the first one."""
        metrics: dict[str, float] = {}
        for name, score in self.scores.items():
            metrics |= {f"cv_{name}": score.value, f"cv_{name}_std": score.std}
        return {**metrics, "fit_seconds": self.fit_seconds}


@dataclass(frozen=True)
class SearchResult:
    """The result of a search: the best pipeline, fitted on all training rows.

    `fold_scores` holds the scores of the best grid point, each of shape (repeats * folds,).
    `out_of_fold_probabilities` holds its predictions for rows that the fold's model has not seen,
    of shape (repeats, rows).
    """

    candidate: Candidate
    estimator: Any
    best: GridPoint
    grid_points: list[GridPoint]
    fold_scores: dict[str, np.ndarray]
    out_of_fold_probabilities: np.ndarray

    @property
    def folds(self) -> int:
        """The number of folds of one repeat."""
        return len(self.fold_scores[GAIN]) // len(self.out_of_fold_probabilities)

    @property
    def gain(self) -> MeasuredGain:
        """The cross-validated gain of the best grid point over the base rate."""
        score, rows = self.best.scores[GAIN], self.out_of_fold_probabilities.shape[1]
        folds = len(self.fold_scores[GAIN])
        return MeasuredGain(score.value, score.standard_error, rows, folds - 1)

    def labels_and_probabilities(self, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels and out-of-fold probabilities of the searched rows, with the repeats joined."""
        probabilities = self.out_of_fold_probabilities
        return np.tile(label, len(probabilities)), probabilities.ravel()


def search_grid(
    candidate: Candidate,
    rows: Rows,
    repeats: Sequence[Folds],
    jobs: int,
    *,
    refit_on: Rows | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> SearchResult:
    """Cross-validate every point of a candidate's grid, and fit the best one on all `rows`.

    `repeats` holds the folds of each repeat of the cross-validation. `jobs` is as in joblib: -1
    uses every core. The best pipeline is fitted on `refit_on` instead, if given. `advance` is
    called after each fit.

    Raises:
        ProblemError: scikit-learn cannot fit the pipeline, or the grid names an unknown parameter.
    """
    grid = list(ParameterGrid({name: list(v) for name, v in candidate.grid.items()}))
    try:
        probabilities, all_scores, seconds = _cross_validate(
            candidate.pipeline, grid, rows, repeats, jobs, advance
        )
        best = int(np.argmin(all_scores[SEARCH_METRIC].mean(axis=1)))
        estimator = clone(candidate.pipeline).set_params(**grid[best])
        with ignore_expected_warnings():
            fitted = estimator.fit((refit_on or rows).features, (refit_on or rows).label)
    except Exception as error:
        reason = one_line(_hide_values(str(error), candidate, rows))
        raise ProblemError(
            f"Candidate {candidate.name} cannot be fitted ({type(error).__name__}: {reason}): "
            "correct its pipeline or its grid in candidates.py."
        ) from error
    points = [
        GridPoint(
            _short_names(params),
            {name: summarize_folds(s[index], len(repeats[0])) for name, s in all_scores.items()},
            float(seconds[index].mean()),
        )
        for index, params in enumerate(grid)
    ]
    fold_scores = {name: scores[best] for name, scores in all_scores.items()}
    return SearchResult(candidate, fitted, points[best], points, fold_scores, probabilities[best])


def _cross_validate(
    pipeline: Any,
    grid: Sequence[dict[str, Any]],
    rows: Rows,
    repeats: Sequence[Folds],
    jobs: int,
    advance: Callable[[int], None],
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Fit every grid point on every fold, in parallel jobs.

    Returns:
        Probabilities of shape (points, repeats, rows); scores and seconds of (points, folds).
    """
    folds = [fold for folds in repeats for fold in folds]
    probabilities = np.empty((len(grid), len(repeats), len(rows)))
    scores = {name: np.empty((len(grid), len(folds))) for name in (*FOLD_METRICS, GAIN)}
    seconds = np.empty((len(grid), len(folds)))
    parallel = Parallel(jobs, return_as="generator_unordered", max_nbytes="1M")
    for results in parallel(
        # without the groups, which take long to send to the processes
        delayed(fit_fold)(
            pipeline, [(p, grid[p]) for p in points], rows.features, rows.label, number, fold
        )
        for points in _group_by_shared_steps(pipeline, grid)
        for number, fold in enumerate(folds)
    ):
        for result in results:
            point, fold = result.point, result.fold
            repeat, left_out = fold // len(repeats[0]), folds[fold][1]
            probabilities[point, repeat, left_out] = result.probability
            seconds[point, fold] = result.fit_seconds
            for name, value in result.scores.items():
                scores[name][point, fold] = value
            advance(1)
    return probabilities, scores, seconds


def _group_by_shared_steps(pipeline: Any, grid: Sequence[dict[str, Any]]) -> list[list[int]]:
    """Indexes of the grid points, grouped by the parameters of all steps except the last."""
    last = pipeline.steps[-1][0] if isinstance(pipeline, Pipeline) else ""
    groups: dict[str, list[int]] = {}
    for index, params in enumerate(grid):
        shared = {k: v for k, v in params.items() if k.partition("__")[0] != last and last}
        groups.setdefault(repr(sorted(shared.items())), []).append(index)
    return list(groups.values())


def _hide_values(message: str, candidate: Candidate, rows: Rows) -> str:
    """The message without quoted text that is no column or parameter: it may be personal data."""
    names = {part for name in candidate.grid for part in name.split("__")}
    names |= set(rows.features.columns)
    return re.sub(r"'([^']*)'", lambda q: q[0] if q[1] in names else "'…'", message)


def _short_names(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters by the last part of their names (C, n_bins) where that is unambiguous."""
    last = [name.rpartition("__")[2] for name in params]
    return {
        (short if last.count(short) == 1 else name): value
        for short, (name, value) in zip(last, params.items(), strict=True)
    }

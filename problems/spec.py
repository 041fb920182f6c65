"""The classes that a problem is declared with; they do not load scikit-learn."""

import importlib
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, MetaData, String

from cli import UserError, one_line
from db.table_specs import ScoringSpec, Source

MAX_CATEGORIES = 300  # per text column, in models and in the form


class ProblemError(UserError):
    """The problem cannot be found, or its declaration is invalid."""


@dataclass(frozen=True)
class Feature:
    """A raw column of a served row; the model does every transformation."""

    name: str
    kind: Literal["number", "text"]
    title: str = ""  # shown in the form; default: derived from the name
    unit: str = ""  # shown in the form

    @property
    def display_name(self) -> str:
        return self.title or self.name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Candidate:
    """A candidate model: a pipeline of stock scikit-learn classes, and a grid to search."""

    name: str
    description: str
    pipeline: Any
    grid: Mapping[str, Sequence[Any]]
    is_benchmark: bool = False  # trained for comparison; promoted only with `--allow`

    def __post_init__(self) -> None:
        """Raises TypeError if the pipeline or the grid is invalid."""
        if not hasattr(self.pipeline, "predict_proba"):
            raise TypeError(f"the pipeline of {self.name} has no predict_proba")
        if not isinstance(self.grid, Mapping):
            raise TypeError(f"the grid of {self.name} must be a dict of lists")
        for name, values in self.grid.items():
            if isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
                raise TypeError(f"{name} in the grid of {self.name} must be a list of values")


@dataclass(frozen=True)
class Problem:
    """Everything that the scripts need to know about a prediction problem."""

    name: str  # also of the MLflow experiment
    model_name: str  # in the model registry
    module: str  # `__name__` of the package, which also contains candidates.py
    sources: tuple[Source, ...]
    scoring: ScoringSpec
    features: tuple[Feature, ...]
    label: ColumnElement[int]  # 0 or 1 for each row of `scoring.rows`
    outcome_labels: tuple[str, str]  # below the decision threshold, and from it on
    sample_folder: Path | None = None  # the default source of ingest.py
    group: str = ""  # column whose equal values are never split; default: the row key
    former_threshold: float | None = None  # of the system that the models replace, if any
    ranking_baseline: str = ""  # if rows of a group compete: rank by this number, lowest first
    calibration_band: tuple[float, float] = (0.8, 1.25)  # slopes that the promotion gate accepts
    outcome_time: ColumnElement[Any] | None = None  # when the outcome happened
    optional_columns: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)
    is_default: bool = False  # used without `--problem`

    def __post_init__(self) -> None:
        """Raises ValueError if a field is invalid or the fields contradict each other."""
        for error in chain(self._field_errors(), self._select_errors()):  # the first one only
            raise ValueError(error)

    def _field_errors(self) -> Iterator[str]:
        if not isinstance(self.sources, Sequence) or not self.sources:
            yield "sources must be a tuple of one or more Source: (Source(…),)"
        if not isinstance(self.features, Sequence) or not self.features:
            yield "features must be a tuple of one or more Feature: (Feature(…),)"
        if {f.kind for f in self.features} - {"number", "text"}:
            yield "the kind of each feature must be 'number' or 'text'"
        if self.module not in sys.modules:
            yield "module must be the __name__ of the package"
        if not re.fullmatch(r"[\w. -]+", self.model_name):
            yield f"model_name {self.model_name!r} may contain only letters, digits and -"
        if self.former_threshold is not None and not 0 <= self.former_threshold <= 1:
            yield "former_threshold must lie between 0 and 1"
        if self.ranking_baseline not in ("", *self.numbers):
            yield f"ranking_baseline {self.ranking_baseline!r} is not a number feature"
        if not 0 < self.calibration_band[0] < 1 < self.calibration_band[1]:
            yield "calibration_band must be two slopes, one below 1 and one above 1"
        labels = self.outcome_labels
        if isinstance(labels, str) or len(labels) != 2 or len(set(labels)) != 2:
            yield "outcome_labels must be two different texts: for label 0 and for label 1"

    def _select_errors(self) -> Iterator[str]:
        columns, names = self.scoring.rows.selected_columns, set(self.feature_names)
        if missing := {*names, self.scoring.key.name, self.group_name} - set(columns.keys()):
            yield f"the row query does not return {', '.join(sorted(missing))}"
        if names - set(self.optional_columns) != set(self.scoring.results.value_columns):
            yield "the values of the results must be the features that are not optional"
        if len(names) < len(self.features):
            yield "two features have the same name"
        for feature in self.features:
            column = columns.get(feature.name)
            if column is not None and (feature.kind == "text") != isinstance(column.type, String):
                yield f"feature {feature.name} is not a {feature.kind} in the row query"

    @property
    def metadata(self) -> MetaData:
        """The tables of the problem."""
        return self.scoring.key.table.metadata

    @property
    def feature_names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @property
    def numbers(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind == "number"]

    @property
    def texts(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind == "text"]

    @property
    def group_name(self) -> str:
        return self.group or self.scoring.key.name

    def source_column(self, feature: Feature) -> Column | None:
        """The column of a source table that a feature selects unchanged; None if there is none."""
        bases = self.scoring.rows.selected_columns[feature.name].base_columns
        columns = [c for c in bases if isinstance(c, Column) and c.table in self.scoring.tables]
        return columns[0] if len(columns) == len(bases) == 1 else None

    @property
    def competing_features(self) -> list[Feature]:
        """The features in which the competing rows of a group differ, such as the APR of an offer.

        They come from the table of the row key; the others, such as an applicant's income, belong
        to the group.
        """
        if not self.ranking_baseline:
            return []
        columns = {f: self.source_column(f) for f in self.features}
        key_table = self.scoring.key.table
        return [f for f, c in columns.items() if c is not None and c.table is key_table]

    def with_optional_columns(self, names: Iterable[str]) -> "Problem":
        """The problem with these optional columns as additional features.

        They are off by default because people who score a single row by hand do not know them.
        Results do not store their values.

        Raises:
            ProblemError: a name is not that of an optional column.
        """
        names = list(dict.fromkeys(names))
        if unknown := [name for name in names if name not in self.optional_columns]:
            known = ", ".join(self.optional_columns) or "none"
            raise ProblemError(
                f"{self.name} has no optional column {', '.join(unknown)}: available are {known}."
            )
        columns = [self.optional_columns[n].label(n) for n in names if n not in self.feature_names]
        features = [
            Feature(c.name, "text" if isinstance(c.type, String) else "number") for c in columns
        ]
        scoring = replace(self.scoring, rows=self.scoring.rows.add_columns(*columns))
        return replace(self, features=(*self.features, *features), scoring=scoring)

    def candidates(self, categories: Mapping[str, Sequence[str]], seed: int) -> list[Candidate]:
        """The candidates, given the categories of each text column; this loads scikit-learn.

        Raises:
            ProblemError: candidates.py is missing, fails, or does not return candidates.
        """
        folder = Path(str(sys.modules[self.module].__file__)).parent
        if not (folder / "candidates.py").is_file():
            raise ProblemError(f"{folder} has no candidates.py: see docs/own-problem.md.")
        with translate_problem_errors(folder / "candidates.py", "used"):
            module = importlib.import_module(f"{self.module}.candidates")
            candidates = list(module.candidates(categories, seed))
            if not candidates or not all(isinstance(c, Candidate) for c in candidates):
                raise TypeError("candidates() must return a list of Candidate")
            if len({candidate.name for candidate in candidates}) < len(candidates):
                raise ValueError("two candidates have the same name")
        return candidates


@contextmanager
def translate_problem_errors(file: Path, verb: str) -> Iterator[None]:
    """Turn any exception that the code of a problem raises into a ProblemError with its line."""
    try:
        yield
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename) == file]
        if isinstance(error, SyntaxError):
            lines = [error.lineno]
        where = f", line {lines[-1]}" if lines else ""
        reason = one_line(f"{type(error).__name__}: {error}")
        raise ProblemError(f"{file} cannot be {verb} ({reason}{where}).") from error

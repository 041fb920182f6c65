"""What a problem declares. Light: nothing here loads scikit-learn."""

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

from cli import UserError
from db.table_specs import ScoringSpec, Source

MAX_CATEGORIES = 300  # of a text column, that a model learns and a form offers


class ProblemError(UserError):
    """The problem asked for cannot be found or used."""


@dataclass(frozen=True)
class Feature:
    """A column of a served row, raw: every transformation belongs to the model."""

    name: str
    kind: Literal["number", "text"]
    title: str = ""  # for people, as over a field of a form; default: the name in words
    unit: str = ""  # likewise

    @property
    def display_name(self) -> str:
        """What people are told that it is."""
        return self.title or self.name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Candidate:
    """A way to model the problem: a scikit-learn pipeline of stock classes, and its grid."""

    name: str
    description: str
    pipeline: Any
    grid: Mapping[str, Sequence[Any]]
    is_benchmark: bool = False  # trained like the others, to compare with: promoted only if allowed

    def __post_init__(self) -> None:
        """Raises TypeError, in one sentence, where it is no such thing."""
        if not hasattr(self.pipeline, "predict_proba"):
            raise TypeError(f"the pipeline of {self.name} has no predict_proba")
        if not isinstance(self.grid, Mapping):
            raise TypeError(f"the grid of {self.name} must be a dict of lists")
        for name, values in self.grid.items():
            if isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
                raise TypeError(f"{name} in the grid of {self.name} must be a list of values")


@dataclass(frozen=True)
class Problem:
    """All that the scripts need to know of one prediction problem."""

    name: str  # also the MLflow experiment
    model_name: str  # in the model registry
    module: str  # of its package, where `candidates.py` lies
    sources: tuple[Source, ...]
    scoring: ScoringSpec
    features: tuple[Feature, ...]
    label: ColumnElement[int]  # 0 or 1 for a row of `scoring.rows`; joined by the training select
    outcome_labels: tuple[str, str]  # what a result says below and from the decision threshold on
    sample_folder: Path | None = None  # a folder of small data, which ingest takes when given none
    group: str = ""  # rows that share it are never on both sides of a split; default: the key
    former_threshold: float = 0.5  # of what this replaces; its decisions are shown beside ours
    ranking_baseline: str = ""  # rows of a group compete; a number of theirs, lowest first, to beat
    calibration_band: tuple[float, float] = (0.8, 1.25)  # slopes with which a version may serve
    outcome_time: ColumnElement[Any] | None = None  # when what the label tells of happened
    optional_columns: Mapping[str, ColumnElement[Any]] = field(
        default_factory=dict
    )  # see `including`
    is_default: bool = False  # the one that scripts take when none is named

    def __post_init__(self) -> None:
        """Raises ValueError, in one sentence, where the parts do not fit together."""
        for fault in chain(self._faults(), self._select_faults()):  # lazily: one may hide others
            raise ValueError(fault)

    def _faults(self) -> Iterator[str]:
        if not isinstance(self.sources, Sequence) or not self.sources:
            yield "sources must be a tuple of one Source or more: (Source(…),)"
        if not isinstance(self.features, Sequence) or not self.features:
            yield "features must be a tuple of one Feature or more: (Feature(…),)"
        if {f.kind for f in self.features} - {"number", "text"}:
            yield "each feature must be a 'number' or a 'text'"
        if self.module not in sys.modules:
            yield "module must be __name__"
        if not re.fullmatch(r"[\w. -]+", self.model_name):
            yield f"model_name {self.model_name!r} holds more than letters, digits and -"
        if not 0 <= self.former_threshold <= 1:
            yield "former_threshold must lie between 0 and 1"
        if self.ranking_baseline not in ("", *self.numbers):
            yield f"ranked_against {self.ranking_baseline!r} is no number among the features"
        if not 0 < self.calibration_band[0] < 1 < self.calibration_band[1]:
            yield "calibration_band must be two slopes, one on each side of 1"
        if (
            isinstance(self.outcome_labels, str)
            or len(self.outcome_labels) != 2
            or len(set(self.outcome_labels)) != 2
        ):
            yield "words must be two that differ: for a label of 0, and for one of 1"

    def _select_faults(self) -> Iterator[str]:
        columns, names = self.scoring.rows.selected_columns, set(self.feature_names)
        if lacking := {*names, self.scoring.key.name, self.group_name} - set(columns.keys()):
            yield f"the row select lacks {', '.join(sorted(lacking))}"
        if names - set(self.optional_columns) != set(self.scoring.results.value_columns):
            yield "the results must keep a value of each feature, and of nothing else"
        if len(names) < len(self.features):
            yield "two features have the same name"
        for feature in self.features:
            column = columns.get(feature.name)
            if column is not None and (feature.kind == "text") != isinstance(column.type, String):
                yield f"{feature.name} is no {feature.kind} in the row select"

    @property
    def metadata(self) -> MetaData:
        """The problem's own tables."""
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
        """The column of a source table that a feature is, if it is one as it stands."""
        found = self.scoring.rows.selected_columns[feature.name].base_columns
        columns = [c for c in found if isinstance(c, Column) and c.table in self.scoring.tables]
        return columns[0] if len(columns) == len(found) == 1 else None

    @property
    def competing_features(self) -> list[Feature]:
        """What the rows of a group differ in, where they compete: the columns of the key's table.

        The others are the group's own, as an applicant's income is for all offers to them.
        """
        if not self.ranking_baseline:
            return []
        keyed = {f: self.source_column(f) for f in self.features}
        return [f for f, c in keyed.items() if c is not None and c.table is self.scoring.key.table]

    def with_optional_columns(self, names: Iterable[str]) -> "Problem":
        """The problem with these optional columns among its features.

        They are not on by default, as whoever asks about one row by hand does not know them.
        Results do not keep their values.

        Raises:
            ProblemError: one is none of them.
        """
        names = list(dict.fromkeys(names))
        chosen = [name for name in names if name not in self.feature_names]
        if unknown := [name for name in names if name not in self.optional_columns]:
            known = ", ".join(self.optional_columns) or "none"
            raise ProblemError(
                f"{self.name} has no optional column {', '.join(unknown)}: there is {known}."
            )
        columns = {name: self.optional_columns[name].label(name) for name in chosen}
        more = [
            Feature(name, "text" if isinstance(column.type, String) else "number")
            for name, column in columns.items()
        ]
        scoring = replace(self.scoring, rows=self.scoring.rows.add_columns(*columns.values()))
        return replace(self, features=(*self.features, *more), scoring=scoring)

    def candidates(self, categories: Mapping[str, Sequence[str]], seed: int) -> list[Candidate]:
        """The candidates for training, given the categories of each text column (loads sklearn).

        Raises:
            ProblemError: candidates.py is missing, fails, or returns something else.
        """
        folder = Path(str(sys.modules[self.module].__file__)).parent
        if not (folder / "candidates.py").is_file():
            raise ProblemError(f"{folder} has no candidates.py: see problems/spec.py.")
        with translate_problem_errors(folder / "candidates.py", "used"):
            module = importlib.import_module(f"{self.module}.candidates")
            found = list(module.candidates(categories, seed))
            if not found or not all(isinstance(candidate, Candidate) for candidate in found):
                raise TypeError("candidates() must return a list of Candidate")
            if len({candidate.name for candidate in found}) < len(found):
                raise ValueError("two candidates have the same name")
        return found


@contextmanager
def translate_problem_errors(file: Path, verb: str) -> Iterator[None]:
    """Turn whatever a problem's own code raises into one sentence with the place in that file.

    Raises:
        ProblemError: always instead of another exception.
    """
    try:
        yield
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename) == file]
        if isinstance(error, SyntaxError):
            lines = [error.lineno]
        where = f", line {lines[-1]}" if lines else ""
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        raise ProblemError(f"{file} cannot be {verb} ({reason}{where}).") from error

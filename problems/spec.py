"""What a problem declares. Light: nothing here loads scikit-learn."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, MetaData

from db.tables import Scoring, Source


@dataclass(frozen=True)
class Feature:
    """A column of a served row, raw: every transformation belongs to the model."""

    name: str
    kind: Literal["number", "text"]


@dataclass(frozen=True)
class Candidate:
    """A way to model the problem: a scikit-learn pipeline of stock classes, and its grid."""

    name: str
    description: str
    pipeline: Any
    grid: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Problem:
    """All that the scripts need to know of one prediction problem."""

    name: str  # also the MLflow experiment
    model_name: str  # in the model registry
    module: str  # of its package, where `candidates.py` lies
    sources: tuple[Source, ...]
    scoring: Scoring
    features: tuple[Feature, ...]
    label: ColumnElement[int]  # 0 or 1 for a row of `scoring.rows`; joined by the training select
    words: tuple[str, str]  # what a result says below and from the decision threshold on
    sample: Path  # the folder of its small committed data
    group: str = ""  # rows that share it are never on both sides of a split; default: the key
    default: bool = False  # the one that scripts take when none is named

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

    def candidates(self, categories: Mapping[str, Sequence[str]], seed: int) -> list[Candidate]:
        """The candidates for training, given the categories of each text column (loads sklearn)."""
        return importlib.import_module(f"{self.module}.candidates").candidates(categories, seed)

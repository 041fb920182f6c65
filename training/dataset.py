"""The labelled rows, split for good into those that train and those held out."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from sqlalchemy import Connection, Engine, func, select

from cli import UserError
from db.engine import read_transaction
from db.tables import database_id, last_load_id, loads
from problems import Problem
from problems.spec import MAX_CATEGORIES
from problems.split import held_out_mask
from registry.versions import TrainingSnapshot

# What a null text becomes for training. It is never among the categories that an encoder is given,
# so it trains as what None, NaN or an unseen text are when served: a row of zeros.
NULL_TEXT = "(null)"
NO_TEXTS = "(no text at all)"

FEW, REPEATS = 500, 5  # cross-validation is repeated where a class has fewer rows than that


class DataError(UserError):
    """There is not enough to train on."""


@dataclass(frozen=True)
class Rows:
    """Rows with labels: the features as the model gets them, 0 or 1, and the grouping key."""

    features: pd.DataFrame
    label: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def sample(self, most: int, seed: int) -> "Rows":
        """About `most` of the rows, or all if there are fewer: whole groups, drawn at random."""
        codes, groups = pd.factorize(self.group)
        drawn = np.random.default_rng(seed).random(len(groups)) < most / len(self)
        at = np.flatnonzero(drawn[codes])
        return Rows(self.features.iloc[at].reset_index(drop=True), self.label[at], self.group[at])


@dataclass(frozen=True)
class Dataset:
    """All labelled rows of a problem at one moment.

    `raw` has the key, the group, the features with their nulls, and `label`; `held_out` marks its
    rows that no version ever trains on.
    """

    problem: Problem
    raw: pd.DataFrame
    held_out_mask: np.ndarray
    source: str
    trained_on: TrainingSnapshot
    date_ranges: str  # of the rows and of their outcomes, in words
    group_column: str  # the column whose hash holds rows out

    @cached_property
    def train(self) -> Rows:
        return self._rows(~self.held_out_mask)

    @cached_property
    def test(self) -> Rows:
        return self._rows(self.held_out_mask)

    @cached_property
    def base_rate(self) -> float:
        """The share of positives among the training rows."""
        return float(self.train.label.mean())

    @cached_property
    def categories(self) -> dict[str, list[str]]:
        """The texts that each text column has in the training rows, at most MOST_CATEGORIES.

        Of more the rarest count as never seen: an id that was taken for a category would make as
        many columns as rows.
        """
        train, found = self.raw[~self.held_out_mask], {}
        for name in self.problem.texts:
            counts = train[name][train[name] != NULL_TEXT].value_counts().sort_index()
            common = counts.sort_values(ascending=False, kind="stable").index[:MAX_CATEGORIES]
            found[name] = sorted(common)
        # an encoder wants at least one: a word that no row has makes a column of zeros
        return {name: texts or [NO_TEXTS] for name, texts in found.items()}

    @cached_property
    def digest(self) -> str:
        """A hash over all rows in any order (MLflow's own covers the first 10,000)."""
        hashes = np.sort(pd.util.hash_pandas_object(self.raw, index=False).to_numpy())
        return hashlib.sha256(hashes.tobytes()).hexdigest()[:16]

    @property
    def default_repeats(self) -> int:
        """How often to repeat a cross-validation: one on few rows of a class says little."""
        return REPEATS if self._rarer < FEW else 1

    def folds(self, rows: Rows, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Cross-validation splits of training rows, no group on both sides of any.

        The groups are dealt out, those with a positive row apart from those without.

        Raises:
            DataError: there are fewer groups of a kind than folds.
        """
        codes, groups = pd.factorize(rows.group)
        positive = np.zeros(len(groups), dtype=np.int8)
        np.maximum.at(positive, codes, rows.label)
        rarer = int(np.bincount(positive, minlength=2).min())
        if count > rarer:
            raise DataError(
                f"{count} folds need as many {self.group_column} of each kind to train on, "
                f"and of one there are {rarer}: give fewer --folds."
            )
        splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
        splits = []
        for _, left_out in splitter.split(groups, positive):
            chosen = np.zeros(len(groups), dtype=bool)
            chosen[left_out] = True
            splits.append((np.flatnonzero(~chosen[codes]), np.flatnonzero(chosen[codes])))
        return splits

    @cached_property
    def _rarer(self) -> int:
        return int(np.bincount(self.train.label).min())

    def _rows(self, mask: np.ndarray) -> Rows:
        chosen = self.raw[mask]
        features = chosen[self.problem.feature_names].reset_index(drop=True)
        features[self.problem.texts] = features[self.problem.texts].fillna(NULL_TEXT)
        label, group = chosen["label"], chosen[self.problem.group_name]
        return Rows(features, label.to_numpy(dtype=np.int8), group.to_numpy())


def read(engine: Engine, problem: Problem) -> Dataset:
    """Read every labelled row by one select.

    Raises:
        DataError: a label is neither 0 nor 1, or one of the two has too few rows to learn from
            and to test, or rows have no group.
    """
    scoring = problem.scoring
    query = scoring.rows.add_columns(problem.label.label("label")).order_by(scoring.key)
    if scoring.has_label is not None:
        query = query.where(scoring.has_label)
    with read_transaction(engine) as connection:
        trained_on = TrainingSnapshot(database_id(connection), last_load_id(connection))
        raw = pd.read_sql(query, connection, dtype=dict.fromkeys(problem.numbers, "float64"))
        dates = _dates(connection, problem)
    source = engine.url.render_as_string(hide_password=True)
    return hold_out(problem, raw, source, trained_on, dates, problem.group_name)


def hold_out(
    problem: Problem,
    raw: pd.DataFrame,
    source: str,
    trained_on: TrainingSnapshot,
    dates: str,
    grouped_by: str,
) -> Dataset:
    """Hold out rows by the hash of their group.

    Raises:
        DataError: as `read` does.
    """
    if unusable := int((~raw["label"].isin([0, 1])).sum()):
        raise DataError(
            f"The label of {unusable:,} rows of {problem.name} is neither 0 nor 1: mend its label, "
            "or say in its Scoring which rows are `labelled`."
        )
    if ungrouped := int(raw[problem.group_name].isna().sum()):
        raise DataError(
            f"{ungrouped:,} rows have no {problem.group_name}, which groups the rows of "
            f"{problem.name}: fill it in, or give the row select another value in its place."
        )
    mask = np.array(held_out_mask(raw[problem.group_name]), dtype=bool)
    for part, rows in (("to train on", raw[~mask]), ("held out", raw[mask])):
        counts = rows["label"].value_counts().reindex([0, 1], fill_value=0)
        if counts.min() < 10:
            raise DataError(
                f"Of the rows {part} {counts[1]:,} are {problem.outcome_labels[1]!r} and "
                f"{counts[0]:,} {problem.outcome_labels[0]!r}: at least 10 of each are needed."
            )
    return Dataset(problem, raw, mask, source, trained_on, dates, grouped_by)


def _dates(connection: Connection, problem: Problem) -> str:
    """When the rows were loaded, and when what the labels tell of happened."""
    loaded = select(func.min(loads.c.loaded_at), func.max(loads.c.loaded_at))
    spans = [("loaded", loaded.where(loads.c.problem == problem.name))]
    if problem.outcome_time is not None:
        spans.append(
            ("outcomes", select(func.min(problem.outcome_time), func.max(problem.outcome_time)))
        )
    words = []
    for name, query in spans:
        first, last = connection.execute(query).one()
        if first is not None:
            days = dict.fromkeys((f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"))
            words.append(f"{name} {' to '.join(days)}")
    return ", ".join(words)

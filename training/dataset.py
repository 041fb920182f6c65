"""The labeled rows of a problem, split into training rows and a fixed held-out set."""

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

# Stands for a null text in training. Encoders never get it as a category, so it is encoded as None,
# NaN and unseen texts are in a served row: as zeros.
NULL_TEXT = "(null)"
NO_TEXTS = "(no text at all)"  # the category of a column that has no text

FEW_ROWS, REPEATS = 500, 5  # with fewer rows of a class, repeat the cross-validation this often
MIN_ROWS = 10  # of each class, to train on and to test


class DataError(UserError):
    """The rows or the candidates cannot be used for training."""


@dataclass(frozen=True)
class Rows:
    """Labeled rows: the features as the model gets them, the label (0 or 1), and the group key."""

    features: pd.DataFrame
    label: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def sample(self, size: int, seed: int) -> "Rows":
        """Whole groups drawn at random, about `size` rows in all; all rows if there are fewer."""
        codes, groups = pd.factorize(self.group)
        is_drawn = np.random.default_rng(seed).random(len(groups)) < size / len(self)
        rows = np.flatnonzero(is_drawn[codes])
        features = self.features.iloc[rows].reset_index(drop=True)
        return Rows(features, self.label[rows], self.group[rows])


@dataclass(frozen=True)
class Dataset:
    """All labeled rows of a problem at one moment.

    `raw` has the key, the group, the features with their nulls, and `label`. `held_out_mask` marks
    the rows of the held-out set, on which no version is ever trained.
    """

    problem: Problem
    raw: pd.DataFrame
    held_out_mask: np.ndarray
    source: str
    trained_on: TrainingSnapshot
    date_ranges: str  # when the rows were loaded and their outcomes happened, as text
    group_column: str  # its hash decides which rows are held out

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
        """The texts of each text column in the training rows, at most MAX_CATEGORIES.

        The rarest of more texts count as unseen; otherwise a column of ids would be encoded as one
        column per row.
        """
        train, categories = self.raw[~self.held_out_mask], {}
        for name in self.problem.texts:
            counts = train[name][train[name] != NULL_TEXT].value_counts().sort_index()
            common = counts.sort_values(ascending=False, kind="stable").index[:MAX_CATEGORIES]
            # an encoder needs a category; one that no row has becomes a column of zeros
            categories[name] = sorted(common) or [NO_TEXTS]
        return categories

    @cached_property
    def digest(self) -> str:
        """A hash of all rows in any order (MLflow's digest covers only the first 10,000)."""
        hashes = np.sort(pd.util.hash_pandas_object(self.raw, index=False).to_numpy())
        return hashlib.sha256(hashes.tobytes()).hexdigest()[:16]

    @property
    def default_repeats(self) -> int:
        """How often to repeat the cross-validation: several times if a class has few rows."""
        return REPEATS if int(np.bincount(self.train.label).min()) < FEW_ROWS else 1

    def folds(self, rows: Rows, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Splits for cross-validation that never divide a group.

        They are stratified: each fold gets its share of the groups with a positive row.

        Raises:
            DataError: there are fewer groups with, or without, a positive row than folds.
        """
        codes, groups = pd.factorize(rows.group)
        positive = np.zeros(len(groups), dtype=np.int8)
        np.maximum.at(positive, codes, rows.label)
        without, with_positive = np.bincount(positive, minlength=2)
        if count > min(without, with_positive):
            raise DataError(
                f"The training rows cannot be split into {count} folds: {with_positive} values of "
                f"{self.group_column} have a positive row and {without} have none; reduce --folds."
            )
        splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
        left_out = (np.isin(codes, test) for _, test in splitter.split(groups, positive))
        return [(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in left_out]

    def _rows(self, mask: np.ndarray) -> Rows:
        rows = self.raw[mask]
        features = rows[self.problem.feature_names].reset_index(drop=True)
        features[self.problem.texts] = features[self.problem.texts].fillna(NULL_TEXT)
        label, group = rows["label"], rows[self.problem.group_name]
        return Rows(features, label.to_numpy(dtype=np.int8), group.to_numpy())


def read(engine: Engine, problem: Problem) -> Dataset:
    """Read every labeled row of a problem from the database with one select.

    Raises:
        DataError: a label is neither 0 nor 1, a class has too few rows, or rows have no group.
    """
    scoring = problem.scoring
    query = scoring.rows.add_columns(problem.label.label("label")).order_by(scoring.key)
    if scoring.has_label is not None:
        query = query.where(scoring.has_label)
    with read_transaction(engine) as connection:
        trained_on = TrainingSnapshot(database_id(connection), last_load_id(connection))
        raw = pd.read_sql(query, connection, dtype=dict.fromkeys(problem.numbers, "float64"))
        date_ranges = _date_ranges(connection, problem)
    source = engine.url.render_as_string(hide_password=True)
    return hold_out(problem, raw, source, trained_on, date_ranges, problem.group_name)


def hold_out(
    problem: Problem,
    raw: pd.DataFrame,
    source: str,
    trained_on: TrainingSnapshot,
    date_ranges: str,
    group_column: str,
) -> Dataset:
    """Split the rows by a hash of their group key; raises DataError as `read` does."""
    if unusable := int((~raw["label"].isin([0, 1])).sum()):
        raise DataError(
            f"The label of {unusable:,} rows of {problem.name} is neither 0 nor 1: correct the "
            "label of the problem, or tell unlabeled rows apart with `has_label`."
        )
    if ungrouped := int(raw[problem.group_name].isna().sum()):
        raise DataError(
            f"{ungrouped:,} rows have no {problem.group_name}, the group key of {problem.name}: "
            "fill it in, or let the row query return another value for these rows."
        )
    mask = np.array(held_out_mask(raw[problem.group_name]), dtype=bool)
    no, yes = problem.outcome_labels
    for part, rows in (("training rows", raw[~mask]), ("held-out rows", raw[mask])):
        counts = rows["label"].value_counts().reindex([0, 1], fill_value=0)
        if counts.min() < MIN_ROWS:
            raise DataError(
                f"Of the {part}, {counts[1]:,} are {yes!r} and {counts[0]:,} are {no!r}, but at "
                f"least {MIN_ROWS} of each are needed: load more rows."
            )
    return Dataset(problem, raw, mask, source, trained_on, date_ranges, group_column)


def _date_ranges(connection: Connection, problem: Problem) -> str:
    loaded = select(func.min(loads.c.loaded_at), func.max(loads.c.loaded_at))
    queries = [("loaded", loaded.where(loads.c.problem == problem.name))]
    if (time := problem.outcome_time) is not None:
        queries.append(("outcomes", select(func.min(time), func.max(time))))
    ranges = []
    for name, query in queries:
        first, last = connection.execute(query).one()
        if first is not None:
            days = dict.fromkeys((f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"))
            ranges.append(f"{name} {' to '.join(days)}")
    return ", ".join(ranges)

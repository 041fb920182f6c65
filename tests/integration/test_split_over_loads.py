"""Training data from several loads: no group is split, and columns may contain only nulls."""

import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import problems
from db.engine import database_url, open_database
from tests.support.project import LOAN_SAMPLE
from tests.support.source_files import (
    CLICKS,
    LEADS,
    LOANS,
    OFFERS,
    edit_parquet,
    load_loans,
    load_source,
)
from tests.support.threads import limit_to_one_thread
from training import dataset
from training.dataset import Dataset


def read(database: str, problem: str = "") -> Dataset:
    with open_database(database_url(database)) as engine:
        return dataset.read(engine, problems.load(problem))


def test_no_lead_is_split_or_changes_sides_over_two_loads(
    generator: ModuleType, database: str, tmp_path: Path
) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    generator.write(whole, leads=900, seed=3)
    shutil.copytree(whole, part)
    offers = pd.read_parquet(whole / OFFERS)
    first_leads = offers["lead_uuid"].unique()[:600]
    first_offers = offers.loc[offers["lead_uuid"].isin(first_leads), "offer_id"]
    for file in (OFFERS, CLICKS):
        edit_parquet(part, file, lambda rows: rows[rows["offer_id"].isin(first_offers)])
    sides: list[dict[str, bool]] = []
    for folder in (part, whole):
        assert load_source(folder, database, "--add") == 0
        data = read(database)
        assert not set(data.train.group) & set(data.test.group)
        for train, validation in data.folds(data.train, 5, 0):
            assert not set(data.train.group[train]) & set(data.train.group[validation])
        sides.append(dict(zip(data.raw["lead_uuid"], data.held_out_mask.tolist(), strict=True)))
    before, after = sides
    assert after.keys() > before.keys()
    assert all(after[lead] == side for lead, side in before.items())


def test_a_repeated_loan_stays_on_one_side_of_every_split(database: str, tmp_path: Path) -> None:
    frame = pd.read_csv(LOAN_SAMPLE / LOANS).head(4_000)
    pd.concat([frame, frame.head(1_000)]).to_csv(tmp_path / LOANS, index=False)
    assert load_loans(tmp_path, database) == 0
    data = read(database, "loan_risk")
    assert len(data.raw) == 5_000
    assert data.raw["content"].nunique() == 4_000
    assert not set(data.train.group) & set(data.test.group)
    sides = pd.Series(data.held_out_mask).groupby(data.raw["loan_key"].str[:32]).nunique()
    assert (sides == 1).all()
    for train, validation in data.folds(data.train, 3, 0):
        assert not set(data.train.group[train]) & set(data.train.group[validation])


def test_candidates_train_on_a_column_of_nulls(
    generator: ModuleType, database: str, tmp_path: Path
) -> None:
    generator.write(tmp_path, leads=700, seed=5)
    leads = pq.read_table(tmp_path / LEADS)
    leads = leads.set_column(3, "credit", pa.nulls(len(leads)))
    pq.write_table(leads, tmp_path / LEADS)
    assert load_source(tmp_path, database) == 0
    data = read(database)
    assert data.raw["credit"].isna().all()
    with limit_to_one_thread():
        for candidate in problems.load().candidates(data.categories, 0):
            fitted = candidate.pipeline.fit(data.train.features, data.train.label)
            assert np.isfinite(fitted.predict_proba(data.test.features)).all()

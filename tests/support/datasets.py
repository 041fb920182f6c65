"""Labeled offers for training without a database, and a problem that trains in a second."""

import numpy as np
import pandas as pd

import problems
from registry.versions import TrainingSnapshot
from tests.support.project import PROJECT, load_generator
from training import dataset
from training.dataset import Dataset

TINY_PROBLEM = PROJECT / "tests" / "data" / "tiny_problem"


def generated_rows(leads: int, seed: int) -> pd.DataFrame:
    """Generate the offers of `leads` leads, with `clicked` and the true `probability`."""
    chunks = list(load_generator("offer_click").chunks(leads, seed))
    offers = pd.concat([chunk.offers.to_pandas() for chunk in chunks], ignore_index=True)
    offers["clicked"] = np.concatenate([chunk.clicked for chunk in chunks])
    offers["probability"] = np.concatenate([chunk.probability for chunk in chunks])
    all_leads = pd.concat([chunk.leads.to_pandas() for chunk in chunks])
    return offers.merge(all_leads, on="lead_uuid", validate="many_to_one")


def split_offers(rows: pd.DataFrame) -> Dataset:
    """Split generated rows into a training set and a held-out set."""
    problem = problems.load()
    raw = rows[["offer_id", "lead_uuid", *problem.feature_names]]
    raw = raw.assign(label=rows["clicked"].astype("int64"))
    return dataset.hold_out(
        problem, raw, "generated", TrainingSnapshot("generated", 1), "", "lead_uuid"
    )


def generated_offers(leads: int, seed: int) -> Dataset:
    """Generate the offers of `leads` leads and split them."""
    return split_offers(generated_rows(leads, seed))

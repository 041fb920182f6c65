"""The made-up sample: it is what its generator writes, and looks as real data does."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tests.helpers import PROJECT, SAMPLE

FILES = ("ds_leads", "ds_offers", "ds_clicks")


def read(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet.gzip") for name in FILES}


@pytest.fixture(scope="module")
def sample() -> dict[str, pd.DataFrame]:
    return read(SAMPLE)


def test_the_committed_sample_is_what_the_generator_writes(
    generator: ModuleType, sample: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, str(generator.__file__), "--to", tmp_path], check=True)
    for name, frame in read(tmp_path).items():
        pd.testing.assert_frame_equal(frame, sample[name])
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{n}.parquet.gzip" for n in FILES)


def test_the_sample_has_the_facts_of_real_data(sample: dict[str, pd.DataFrame]) -> None:
    leads, offers, clicks = (sample[name] for name in FILES)
    assert len(leads) == 10_000
    assert leads["lead_uuid"].is_unique
    nulls = leads[["requested", "loan_purpose", "credit", "annual_income"]].isna().mean()
    assert (nulls > 0).all()
    assert (nulls < 0.002).all()
    assert set(leads["credit"].dropna()) == {
        "poor", "fair", "good", "excellent", "limited", "unknown",
    }  # fmt: skip
    assert leads["loan_purpose"].value_counts(normalize=True).iloc[0] > 0.7
    assert offers["lead_uuid"].nunique() == len(leads)
    assert 4 < len(offers) / len(leads) < 5
    short_term = offers["apr"] > 60
    assert 0.6 < short_term.mean() < 0.9
    assert offers.loc[short_term, "apr"].isin([149.0, 159.0, 199.0, 249.0]).mean() > 0.4
    assert offers["lender_id"].nunique() == 12
    assert 0.018 < len(clicks) / len(offers) < 0.022
    assert clicks["offer_id"].is_unique
    assert clicks["offer_id"].isin(offers["offer_id"]).all()


def test_the_stated_auc_is_that_of_the_true_probabilities(generator: ModuleType) -> None:
    chunks = list(generator.chunks(8_000, 5))
    auc = generator.TrueAuc()
    for chunk in chunks:
        auc.add(chunk.probability, chunk.clicked)
    clicked = np.concatenate([chunk.clicked for chunk in chunks])
    probability = np.concatenate([chunk.probability for chunk in chunks])
    assert auc.value() == pytest.approx(roc_auc_score(clicked, probability), abs=1e-4)


def peak_kib(generator: ModuleType, leads: int, to: Path) -> int:
    """Peak memory of writing this many leads, in a process of its own."""
    code = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, str(generator.__file__), "--leads", str(leads), "--to", str(to)]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def test_memory_does_not_grow_with_the_size(generator: ModuleType, tmp_path: Path) -> None:
    small = peak_kib(generator, 10_000, tmp_path)
    assert peak_kib(generator, 60_000, tmp_path) < 1.25 * small


def test_the_generator_stands_alone() -> None:
    text = (PROJECT / "data" / "offer_click" / "generate.py").read_text()
    assert "shared" not in text

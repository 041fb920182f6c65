"""The samples match the output of their generators and resemble real data."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import problems
from tests.support.project import LOAN_SAMPLE, PROJECT, SAMPLE, load_generator
from tests.support.source_files import LOANS

FILES = ("ds_leads", "ds_offers", "ds_clicks")


def read(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet.gzip") for name in FILES}


@pytest.fixture(scope="module")
def sample() -> dict[str, pd.DataFrame]:
    return read(SAMPLE)


def test_the_generator_reproduces_the_committed_sample_of_offers(
    generator: ModuleType,
    sample: dict[str, pd.DataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["generate.py", "--to", str(tmp_path)])
    generator.main()
    for name, frame in read(tmp_path).items():
        pd.testing.assert_frame_equal(frame, sample[name])
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.parquet.gzip" for n in FILES}
    assert "10,000 leads, 46,058 offers, 935 clicks" in capsys.readouterr().out


def test_the_sample_of_offers_resembles_real_data(sample: dict[str, pd.DataFrame]) -> None:
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


def test_the_generator_reproduces_the_committed_sample_of_loans(tmp_path: Path) -> None:
    generator = load_generator("loan_risk")
    late, auc = generator.write(tmp_path, 10_000, generator.SAMPLE_SEED)
    assert (tmp_path / LOANS).read_bytes() == (LOAN_SAMPLE / LOANS).read_bytes()
    frame = pd.read_csv(LOAN_SAMPLE / LOANS)
    assert (late, len(frame)) == (frame["is_late"].sum(), 10_000)
    assert 0.013 < frame["is_late"].mean() < 0.017
    assert list(frame.columns) == [*problems.load("loan_risk").feature_names, "is_late"]
    assert 0.05 < frame["emp_length"].isna().mean() < 0.09
    assert set(frame["grade"]) == set("ABCDEFG")
    assert 0.7 < auc < 0.9


def test_the_printed_auc_is_that_of_the_true_probabilities(generator: ModuleType) -> None:
    chunks = list(generator.chunks(8_000, 5))
    auc = generator.TrueAuc()
    for chunk in chunks:
        auc.add(chunk.probability, chunk.clicked)
    clicked = np.concatenate([chunk.clicked for chunk in chunks])
    probability = np.concatenate([chunk.probability for chunk in chunks])
    assert auc.value() == pytest.approx(roc_auc_score(clicked, probability), abs=1e-4)


def test_the_generator_imports_nothing_from_the_project() -> None:
    text = (PROJECT / "data" / "offer_click" / "generate.py").read_text()
    modules = {line.split()[1].partition(".")[0] for line in text.splitlines() if is_import(line)}
    assert modules == {
        "argparse", "collections", "dataclasses", "numpy", "pathlib", "pyarrow", "uuid",
    }  # fmt: skip
    assert "shared" not in text


def is_import(line: str) -> bool:
    return line.startswith(("import ", "from "))

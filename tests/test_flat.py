"""train.py on one flat file: a user's own export, and what may be wrong with it."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

import problems
import promote
import train
from modeling import dataset, flat
from registry import versions
from tests.helpers import SAMPLE, run_main

PROBLEM = problems.load()
LABEL = "clicked"


def joined() -> pd.DataFrame:
    """The sample's offers with their leads' columns and whether they were clicked."""
    offers, leads, clicks = (
        pd.read_parquet(SAMPLE / f"ds_{name}.parquet.gzip")
        for name in ("offers", "leads", "clicks")
    )
    rows = offers.merge(leads, on="lead_uuid")
    return rows.assign(clicked=rows["offer_id"].isin(clicks["offer_id"]))


@pytest.fixture(scope="module")
def half() -> pd.DataFrame:
    """As many clicked offers as others, without a key or a group."""
    rows = joined()
    clicked, others = rows[rows[LABEL]], rows[~rows[LABEL]]
    even = pd.concat([clicked, others.sample(len(clicked), random_state=0)])
    return even.sample(frac=1, random_state=1)[[*PROBLEM.feature_names, "lender_id", LABEL]]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, with a store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return tmp_path


def registered() -> dict[str, ModelVersion]:
    found = MlflowClient().search_model_versions("name = 'offer-click'")
    return {version.tags["candidate"]: version for version in found}


def metrics(version: ModelVersion) -> dict[str, float]:
    return dict(MlflowClient().get_run(str(version.run_id)).data.metrics)


def test_a_flat_file_trains_tagged_versions_that_can_be_promoted(
    half: pd.DataFrame, elsewhere: Path
) -> None:
    half.to_parquet(elsewhere / "rows.parquet", index=False)
    flags = ("--table", "rows.parquet", "--label", LABEL)
    assert run_main(train.main, *flags, "--folds", 3) == 0
    found = registered()
    assert found.keys() == {"logistic_plain", "logistic_engineered", "boosted_trees"}
    plain, engineered = metrics(found["logistic_plain"]), metrics(found["logistic_engineered"])
    assert engineered["test_roc_auc"] > plain["test_roc_auc"] + 0.05
    assert engineered["test_accuracy_at_half"] > plain["test_accuracy_at_half"]
    for name in ("accuracy", "accuracy_at_half", "balanced_accuracy_at_half"):
        assert f"test_{name}_low" in engineered
    assert "test_ndcg" not in engineered  # no row is known to be another's rival
    assert float(found["logistic_engineered"].tags["decision_threshold"]) > 0.2
    training = MlflowClient().get_run(found["boosted_trees"].tags["training_run"]).data
    assert training.params["held_out_by"] == "content"
    rows = int(training.params["rows_train"]) + int(training.params["rows_held_out"])
    assert rows == len(half)
    assert run_main(promote.main, *flags) == 0
    champion = versions.resolve(MlflowClient(), "models:/offer-click@champion")
    assert champion.number == str(found["logistic_engineered"].version)
    served = mlflow.pyfunc.load_model(champion.uri)
    answers = served.predict(half[PROBLEM.feature_names].head())[:, 1]
    assert ((answers > 0) & (answers < 1)).all()


def test_changing_held_out_rows_changes_nothing_that_was_chosen(
    elsewhere: Path,
) -> None:
    rows = joined().sample(frac=1, random_state=2).head(12_000)
    data = split_of(rows, elsewhere / "rows.csv")
    changed = rows.reset_index(drop=True)
    rng = np.random.default_rng(0)
    changed.loc[data.held_out, "apr"] = rng.uniform(5, 300, data.held_out.sum()).round(2)
    changed.loc[data.held_out, LABEL] = rng.random(data.held_out.sum()) < 0.3
    other = split_of(changed, elsewhere / "changed.csv")
    assert (other.held_out == data.held_out).all()
    chosen = []
    for file in ("rows.csv", "changed.csv"):
        flags = ("--table", elsewhere / file, "--label", LABEL, "--folds", 2)
        assert run_main(train.main, *flags) == 0
        runs = {}
        for name, version in registered_last(3).items():
            run = MlflowClient().get_run(str(version.run_id)).data
            cv = {k: v for k, v in run.metrics.items() if k.startswith("cv_")}
            runs[name] = (run.params, cv, run.metrics["test_log_loss"])
        chosen.append(runs)
    for name in chosen[0]:
        assert chosen[0][name][:2] == chosen[1][name][:2], name
        assert chosen[0][name][2] != chosen[1][name][2]


def split_of(rows: pd.DataFrame, path: Path) -> flat.Dataset:
    rows.to_csv(path, index=False)
    return flat.read(path, LABEL, PROBLEM)


def registered_last(count: int) -> dict[str, ModelVersion]:
    found = MlflowClient().search_model_versions("name = 'offer-click'")
    latest = sorted(found, key=lambda version: int(version.version))[-count:]
    return {version.tags["candidate"]: version for version in latest}


def test_rows_of_a_lead_stay_together_where_the_file_names_it(
    half: pd.DataFrame, tmp_path: Path
) -> None:
    rows = joined().head(6_000)
    data = split_of(rows, tmp_path / "rows.csv")
    assert data.grouped_by == "lead_uuid"
    assert not set(data.train.group) & set(data.test.group)
    rows.drop(columns="lead_uuid").to_parquet(tmp_path / "rows.parquet")
    unknown = flat.read(tmp_path / "rows.parquet", LABEL, PROBLEM)
    assert unknown.grouped_by == "content"
    twice = pd.concat([half, half])
    twice.to_parquet(tmp_path / "twice.parquet")
    repeated = flat.read(tmp_path / "twice.parquet", LABEL, PROBLEM)
    assert not set(repeated.train.group) & set(repeated.test.group)


def test_codes_kept_as_numbers_are_texts_and_the_digest_covers_every_row(
    half: pd.DataFrame, tmp_path: Path
) -> None:
    half.to_parquet(tmp_path / "rows.parquet")
    problem = PROBLEM.including(["lender_id"])
    data = flat.read(tmp_path / "rows.parquet", LABEL, problem)
    assert set(data.categories["lender_id"]) <= set(half["lender_id"].astype(str))
    half.iloc[::-1].to_parquet(tmp_path / "turned.parquet")
    assert flat.read(tmp_path / "turned.parquet", LABEL, problem).digest == data.digest
    apr = half["apr"].to_numpy(copy=True)
    apr[-1] += 1
    half.assign(apr=apr).to_parquet(tmp_path / "last.parquet")
    assert flat.read(tmp_path / "last.parquet", LABEL, problem).digest != data.digest


WHOLE = ("--table", "rows.csv", "--label", LABEL)


@pytest.mark.parametrize(
    ("change", "flags", "said"),
    [
        ({}, ("--table", "rows.csv"), "Give --table and --label together"),
        ({}, ("--label", LABEL), "Give --table and --label together"),
        ({}, ("--table", "none.csv", "--label", LABEL), "There is no file none.csv"),
        ({}, ("--table", "rows.csv", "--label", "apr"), "The label 'apr' is one of the features"),
        ({}, ("--table", "rows.csv", "--label", "late"), "column late of rows.csv must be a whole"),
        ({"apr": "cheap"}, WHOLE, "of rows.csv cannot be used: apr is not a number (row 1)"),
        ({LABEL: 2}, WHOLE, "clicked is above 1 (row 1)"),
        ({LABEL: 1}, WHOLE, "at least 10 of each are needed"),
        ({}, (*WHOLE, "--also", "iq"), "no optional column iq: there is lender_id"),
        ({}, (*WHOLE, "--also", "apr"), "no optional column apr: there is lender_id"),
        (
            {},
            (*WHOLE, "--threshold-rule", "cost", "--cost-false-positive", "0"),
            "must be numbers of more than 0",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_one_sentence(
    change: dict[str, Any],
    flags: tuple[str, ...],
    said: str,
    half: pd.DataFrame,
    elsewhere: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = half.assign(**{LABEL: half[LABEL].astype(int)}).assign(**change)
    rows.to_csv(elsewhere / "rows.csv", index=False)
    assert run_main(train.main, *flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (elsewhere / "mlflow.db").exists()


def test_a_few_bad_rows_are_left_out_and_told_of(
    half: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = half.astype({"apr": object}).reset_index(drop=True)
    rows.loc[7, "apr"] = "cheap"
    data = split_of(rows, tmp_path / "rows.csv")
    assert len(data.raw) == len(half) - 1
    assert "1 of 1,8" in (said := capsys.readouterr().err)
    assert "apr is not a number (row 8); they are left out" in said


def test_another_label_of_the_same_file_is_other_data(half: pd.DataFrame, tmp_path: Path) -> None:
    half.assign(rich=half["annual_income"] > 50_000).to_parquet(tmp_path / "rows.parquet")
    one, other = (
        flat.read(tmp_path / "rows.parquet", label, PROBLEM).trained_on for label in (LABEL, "rich")
    )
    assert one.database_id != other.database_id


def test_an_id_taken_for_a_category_makes_no_column_a_row(
    half: pd.DataFrame, tmp_path: Path
) -> None:
    ids = np.where(np.arange(len(half)) % 2, np.arange(len(half)).astype(str), "common")
    data = split_of(half.assign(credit=ids), tmp_path / "rows.csv")
    assert len(data.categories["credit"]) == dataset.MOST_CATEGORIES
    assert "common" in data.categories["credit"]


def test_a_text_file_under_a_parquet_s_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_text("apr,clicked\n1,1\n")
    with pytest.raises(Exception, match="not a whole parquet file"):
        flat.read(path, LABEL, PROBLEM)

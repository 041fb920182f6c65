"""Loading source files: all or nothing, and twice the same as once."""

import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, insert, text

import problems
from db import load as loading
from db.engine import database_url, opened
from db.files import Parquet, open_sources
from db.staging import Load
from db.tables import model_versions, utc_now
from tests.sources import CLICKS, LEADS, OFFERS, change, content, load, put

OFFER_CLICK = problems.load("offer_click")


def test_a_source_is_loaded_whole(source: Path, database: str) -> None:
    assert load(source, database) == 0
    found = content(database)
    for file, table in ((LEADS, "leads"), (OFFERS, "offers"), (CLICKS, "clicks")):
        assert len(found[table]) == len(pd.read_parquet(source / file))
    assert found["rejected_rows"] == []
    assert len(found["loads"]) == 1


def test_values_arrive_unchanged_with_nulls_as_data(source: Path, database: str) -> None:
    for column in ("requested", "loan_purpose", "credit", "annual_income"):
        change(source, LEADS, put(column, 3, None))
    assert load(source, database) == 0
    expected = pd.read_parquet(source / LEADS).drop(columns="__index_level_0__")
    with opened(database_url(database)) as engine:
        loaded = pd.read_sql("SELECT * FROM leads", engine).drop(columns="load_id")
    pd.testing.assert_frame_equal(
        loaded.sort_values("lead_uuid", ignore_index=True),
        expected.sort_values("lead_uuid", ignore_index=True),
        check_dtype=False,
    )
    assert loaded.iloc[:, 1:].isna().sum().min() >= 1


def test_loading_the_same_files_twice_changes_nothing(source: Path, database: str) -> None:
    change(source, OFFERS, put("apr", 5, -1.0))
    load(source, database, "--max-rejected", 0.1)
    change(source, OFFERS, put("apr", 5, 9.0))
    load(source, database)
    before = content(database)
    assert load(source, database) == 0
    assert content(database) == before


def test_changed_rows_update_and_new_ones_add(source: Path, database: str) -> None:
    load(source, database)
    before = content(database)
    change(source, OFFERS, put("apr", 0, 12.5))
    change(source, OFFERS, lambda f: pd.concat([f, f.tail(1).assign(offer_id=1)]))
    assert load(source, database) == 0
    after = content(database)
    assert len(after["offers"]) == len(before["offers"]) + 1
    assert len(set(after["offers"]) - set(before["offers"])) == 2
    assert after["leads"] == before["leads"]
    assert len(after["loads"]) == 2


def score_all(engine: Engine) -> None:
    """Store a result for each offer, as if a version had scored it."""
    version = {
        "model_id": "m/1",
        "logged_model_id": "m-1",
        "registry": "",
        "first_used_at": utc_now(),
    }
    with engine.begin() as connection:
        connection.execute(insert(model_versions), {**version, "decision_threshold": 0.5})
        connection.execute(
            text(
                "INSERT INTO results_clicked (model_id, process_time, offer_id, clicked, "
                "click_probability, source) SELECT 'm/1', loaded_at, offer_id, 'Clicked', 0.5, "
                "'batch' FROM offers, loads"
            )
        )


def test_a_changed_row_loses_its_results_and_no_other_does(source: Path, database: str) -> None:
    load(source, database)
    with opened(database_url(database)) as engine:
        score_all(engine)
    offers = pd.read_parquet(source / OFFERS)
    lead = offers["lead_uuid"].value_counts().index[0]  # one with several offers
    of_lead = set(offers.loc[offers["lead_uuid"] == lead, "offer_id"])
    offer = next(i for i in offers["offer_id"] if i not in of_lead)
    leads = pd.read_parquet(source / LEADS)
    row = leads.index[leads["lead_uuid"] == lead][0]
    change(source, LEADS, put("annual_income", row, 123_456.0))
    change(source, OFFERS, put("apr", offers.index[offers["offer_id"] == offer][0], 7.77))
    change(source, CLICKS, lambda clicks: clicks.iloc[:-1])
    new_click = pd.DataFrame({"offer_id": [int(offers["offer_id"].iloc[-1])]})
    change(
        source, CLICKS, lambda clicks: pd.concat([clicks, new_click]).drop_duplicates("offer_id")
    )
    assert load(source, database) == 0
    with opened(database_url(database)) as engine, engine.connect() as connection:
        left = set(connection.scalars(text("SELECT offer_id FROM results_clicked")))
    assert set(offers["offer_id"]) - left == of_lead | {offer}


def test_rows_that_are_good_again_leave_the_rejected_ones(source: Path, database: str) -> None:
    change(source, OFFERS, put("apr", 0, -1.0))
    load(source, database, "--max-rejected", 0.5)
    assert content(database)["rejected_rows"]
    change(source, OFFERS, put("apr", 0, 10.0))
    assert load(source, database) == 0
    assert content(database)["rejected_rows"] == []


def test_another_source_needs_add(
    source: Path, small_source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load(small_source, database)
    before = content(database)
    assert load(source, database) == 2
    assert "--add" in capfd.readouterr().err
    assert content(database) == before
    assert load(source, database, "--add") == 0
    assert load(source, database) == 0  # a source that it knows


def _load_and_die(source: Path, database: str) -> None:
    files = open_sources(source, OFFER_CLICK.sources)
    rows = sum(file.rows for file in files[:2])  # all leads and offers are staged, clicks are not

    read = 0

    def advance(count: int) -> None:
        nonlocal read
        read += count
        if read >= rows:
            os.kill(os.getpid(), signal.SIGKILL)

    what = Load("offer_click", OFFER_CLICK.scoring, str(source), add=True, max_rejected=0.0)
    with opened(database_url(database)) as engine:
        loading.load(engine, what, files, advance)


def test_a_load_that_is_killed_leaves_the_database_as_it_was(source: Path, database: str) -> None:
    load(source, database)
    before = content(database)
    change(source, LEADS, put("annual_income", 0, 1.0))
    process = multiprocessing.get_context("spawn").Process(
        target=_load_and_die, args=(source, database)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert content(database) == before
    assert load(source, database) == 0


def test_a_parquet_file_is_read_in_memory_that_does_not_grow_with_it(tmp_path: Path) -> None:
    path, rows = tmp_path / "ds_offers.parquet", 1_000_000
    numbers = np.random.default_rng(0).random(rows)  # which no codec makes smaller
    pq.write_table(pa.table({"apr": numbers, "offer_id": range(rows)}), path, row_group_size=10_000)
    before, most = pa.total_allocated_bytes(), 0
    for good, _ in Parquet(path).batches(["apr"]):
        most = max(most, pa.total_allocated_bytes() - before - good.nbytes)
    assert most < numbers.nbytes / 5

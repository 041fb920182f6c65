"""ingest.py loads all rows unchanged, and a second load of the same files changes nothing."""

from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine, insert, text

from db.engine import database_url, open_database
from db.tables import model_versions, utc_now
from tests.support.databases import all_rows, query
from tests.support.source_files import CLICKS, LEADS, OFFERS, edit_parquet, load_source, set_value


def test_all_rows_of_a_source_are_loaded(source: Path, database: str) -> None:
    assert load_source(source, database) == 0
    stored = all_rows(database)
    for file, table in ((LEADS, "leads"), (OFFERS, "offers"), (CLICKS, "clicks")):
        assert len(stored[table]) == len(pd.read_parquet(source / file))
    assert stored["rejected_rows"] == []
    assert len(stored["loads"]) == 1


@pytest.mark.parametrize(
    ("file", "table", "key"),
    [
        (LEADS, "leads", "lead_uuid"),
        (OFFERS, "offers", "offer_id"),
        (CLICKS, "clicks", "offer_id"),
    ],
)
def test_values_are_stored_unchanged_including_nulls(
    file: str, table: str, key: str, source: Path, database: str
) -> None:
    nullable = {
        LEADS: ["requested", "loan_purpose", "credit", "annual_income"],
        OFFERS: ["apr", "lender_id"],
        CLICKS: ["clicked_at"],
    }[file]
    for column in nullable:
        edit_parquet(source, file, set_value(column, 3, None))
    assert load_source(source, database) == 0
    expected = pd.read_parquet(source / file)
    with open_database(database_url(database)) as engine:
        stored = pd.read_sql(f"SELECT * FROM {table}", engine, parse_dates=["clicked_at"])
    columns = [column for column in stored.columns if column != "load_id"]
    pd.testing.assert_frame_equal(
        stored[columns].sort_values(key, ignore_index=True),
        expected[columns].sort_values(key, ignore_index=True),
        check_dtype=False,
    )
    assert stored[nullable].isna().sum().min() >= 1


def test_loading_the_same_files_twice_changes_nothing(source: Path, database: str) -> None:
    edit_parquet(source, OFFERS, set_value("apr", 5, -1.0))
    load_source(source, database, "--max-rejected", 0.1)
    edit_parquet(source, OFFERS, set_value("apr", 5, 9.0))
    load_source(source, database)
    before = all_rows(database)
    assert load_source(source, database) == 0
    assert all_rows(database) == before


def test_changed_rows_are_updated_and_new_rows_added(source: Path, database: str) -> None:
    load_source(source, database)
    before = all_rows(database)
    edit_parquet(source, OFFERS, set_value("apr", 0, 12.5))
    edit_parquet(source, OFFERS, lambda f: pd.concat([f, f.tail(1).assign(offer_id=1)]))
    assert load_source(source, database) == 0
    after = all_rows(database)
    assert len(after["offers"]) == len(before["offers"]) + 1
    assert len(set(after["offers"]) - set(before["offers"])) == 2
    assert after["leads"] == before["leads"]
    assert len(after["loads"]) == 2


def store_a_result_for_each_offer(engine: Engine) -> None:
    """Store results as if a version had scored all offers."""
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


def test_only_changed_rows_lose_their_results(source: Path, database: str) -> None:
    load_source(source, database)
    with open_database(database_url(database)) as engine:
        store_a_result_for_each_offer(engine)
    offers = pd.read_parquet(source / OFFERS)
    lead = offers["lead_uuid"].value_counts().index[0]  # one with several offers
    lead_offers = set(offers.loc[offers["lead_uuid"] == lead, "offer_id"])
    offer = next(i for i in offers["offer_id"] if i not in lead_offers)
    leads = pd.read_parquet(source / LEADS)
    row = leads.index[leads["lead_uuid"] == lead][0]
    edit_parquet(source, LEADS, set_value("annual_income", row, 123_456.0))
    row = offers.index[offers["offer_id"] == offer][0]
    edit_parquet(source, OFFERS, set_value("apr", row, 7.77))
    edit_parquet(source, CLICKS, lambda clicks: clicks.iloc[:-1])
    new_click = pd.DataFrame({"offer_id": [int(offers["offer_id"].iloc[-1])]})
    edit_parquet(
        source, CLICKS, lambda clicks: pd.concat([clicks, new_click]).drop_duplicates("offer_id")
    )
    assert load_source(source, database) == 0
    scored = {offer_id for (offer_id,) in query(database, "SELECT offer_id FROM results_clicked")}
    assert set(offers["offer_id"]) - scored == lead_offers | {offer}


def test_corrected_rows_are_removed_from_the_rejected_rows(source: Path, database: str) -> None:
    edit_parquet(source, OFFERS, set_value("apr", 0, -1.0))
    load_source(source, database, "--max-rejected", 0.5)
    assert all_rows(database)["rejected_rows"]
    edit_parquet(source, OFFERS, set_value("apr", 0, 10.0))
    assert load_source(source, database) == 0
    assert all_rows(database)["rejected_rows"] == []


def test_a_second_source_requires_the_add_flag(
    source: Path, small_source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load_source(small_source, database)
    before = all_rows(database)
    assert load_source(source, database) == 2
    assert "--add" in capfd.readouterr().err
    assert all_rows(database) == before
    assert load_source(source, database, "--add") == 0
    assert load_source(source, database) == 0  # the source is known by now

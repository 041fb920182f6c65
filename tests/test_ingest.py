"""Loading source files: whole or not at all, twice the same as once, bad rows aside."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, insert, inspect, text

import ingest
import problems
from db.engine import database_url, opened
from db.files import open_sources
from db.load import Loader
from db.tables import model_versions, utc_now
from tests.conftest import run_main

LEADS, OFFERS, CLICKS = (f"ds_{name}.parquet.gzip" for name in ("leads", "offers", "clicks"))
OFFER_CLICK = problems.load("offer_click")


def load(source: Path, database: str, *flags: object) -> int:
    return run_main(ingest.main, "--source", source, "--database", database, *flags)


def content(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the database, table by table; {} where there is none."""
    url = database_url(database)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return {}
    with opened(url) as engine, engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(text(f'SELECT * FROM "{name}"'))), key=repr)
            for name in inspect(engine).get_table_names()
        }


def change(source: Path, file: str, how: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    frame = how(pd.read_parquet(source / file))
    frame.to_parquet(source / file, compression="gzip", index=False)


def put(column: str, row: int, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def how(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame.infer_objects()

    return how


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


def spoil_columns(source: Path) -> None:
    change(source, LEADS, lambda f: f.drop(columns="credit"))
    change(source, OFFERS, lambda f: f.assign(apr=f["apr"].astype(str), lead_uuid=1))
    change(source, CLICKS, lambda f: f.assign(offer_id=f["offer_id"].astype(str)))


BAD_FILES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "missing": (lambda s: (s / OFFERS).unlink(), [OFFERS, "lacks"]),
    "truncated": (
        lambda s: (s / OFFERS).write_bytes((s / OFFERS).read_bytes()[:-500]),
        [OFFERS, "not a whole parquet file"],
    ),
    "not parquet": (
        lambda s: (s / CLICKS).write_text("offer_id,clicked_at\n1,2\n"),
        [CLICKS, "not a whole parquet file"],
    ),
    "empty file": (lambda s: (s / LEADS).write_bytes(b""), [LEADS, "not a whole parquet file"]),
    "no rows": (lambda s: change(s, CLICKS, lambda f: f.iloc[:0]), [CLICKS, "no rows"]),
    "columns missing or of a wrong type": (
        spoil_columns,
        [
            f"column credit of {LEADS} must be text, but is missing",
            f"column apr of {OFFERS} must be a number, but is",
            f"column lead_uuid of {OFFERS} must be text, but is int64",
            f"column offer_id of {CLICKS} must be a whole number, but is",
        ],
    ),
}


@pytest.mark.parametrize("loaded_before", [False, True])
@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_ends_with_one_sentence_and_the_database_as_it_was(
    case: str, loaded_before: bool, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    database = f"sqlite:///{tmp_path / 'test.db'}"
    if loaded_before:
        load(source, database)
    before = content(database)
    spoil, said = BAD_FILES[case]
    spoil(source)
    capfd.readouterr()
    assert load(source, database) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    for words in said:
        assert words in error
    assert content(database) == before
    assert loaded_before or not (tmp_path / "test.db").exists()


def test_a_file_damaged_in_its_middle_leaves_the_database_as_it_was(
    source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load(source, database)
    before = content(database)
    whole = bytearray((source / OFFERS).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 200] = bytes(200)
    (source / OFFERS).write_bytes(whole)
    change(source, LEADS, put("annual_income", 0, 1.0))  # loaded first, so it must be undone
    assert load(source, database) == 2
    assert f"{OFFERS} is damaged" in capfd.readouterr().err
    assert content(database) == before


BAD_ROWS: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "null lead key": (LEADS, put("lead_uuid", 0, None), "lead_uuid is null"),
    "null offer key": (OFFERS, put("offer_id", 0, None), "offer_id is null"),
    "offer of no lead": (OFFERS, put("lead_uuid", 0, None), "lead_uuid is null"),
    "repeated lead": (
        LEADS,
        lambda f: pd.concat([f, f.head(1).assign(credit="good")]),
        "lead_uuid is repeated",
    ),
    "repeated offer": (OFFERS, lambda f: pd.concat([f, f.tail(1)]), "offer_id is repeated"),
    "repeated click": (CLICKS, lambda f: pd.concat([f, f.head(1)]), "offer_id is repeated"),
    "unknown lead": (OFFERS, put("lead_uuid", 0, "nobody"), "lead_uuid is not in leads"),
    "unknown offer": (CLICKS, put("offer_id", 0, 5), "offer_id is not in offers"),
    "negative amount": (LEADS, put("requested", 0, -1.0), "requested is negative"),
    "infinite amount": (LEADS, put("annual_income", 0, np.inf), "annual_income is infinite"),
    "negative apr": (OFFERS, put("apr", 0, -0.01), "apr is negative"),
    "infinite apr": (OFFERS, put("apr", 0, -np.inf), "apr is infinite"),
    "half an offer": (OFFERS, put("offer_id", 0, 1.5), "offer_id is not a whole number"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_set_aside_with_its_reason_and_values(
    case: str, source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file, spoil, reason = BAD_ROWS[case]
    change(source, file, spoil)
    assert load(source, database, "--max-rejected", 0.5) == 0
    assert f"{file}: 1 rejected: {reason}" in capfd.readouterr().out
    with opened(database_url(database)) as engine, engine.connect() as connection:
        rows = connection.execute(
            text("SELECT table_name, reason, row_number, row_values FROM rejected_rows ORDER BY id")
        ).all()
    row = rows[0]
    assert f"ds_{row.table_name}.parquet.gzip" == file
    assert row.reason == reason
    values = row.row_values if isinstance(row.row_values, dict) else json.loads(row.row_values)
    original = pd.read_parquet(source / file).iloc[row.row_number - 1]
    for name, value in values.items():
        if isinstance(original[name], float | int) and value is not None:
            assert float(value) == original[name] or str(value) == str(original[name])
    # a lead that is set aside takes its offers along, and they their clicks
    assert {r.reason for r in rows[1:]} <= {
        "lead_uuid is not in leads",
        "offer_id is not in offers",
    }


def test_too_many_bad_rows_abort_with_the_database_as_it_was(
    source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load(source, database)
    before = content(database)
    change(source, OFFERS, lambda f: f.assign(apr=f["apr"].where(f.index % 40 > 0, -1.0)))
    change(source, LEADS, put("annual_income", 0, 1.0))
    assert load(source, database) == 2
    error = capfd.readouterr().err
    assert "More than 1.00%" in error
    assert "apr is negative" in error
    assert "--max-rejected" in error
    assert content(database) == before
    assert load(source, database, "--max-rejected", 0.1) == 0


def test_too_many_bad_rows_leave_no_new_database(source: Path, tmp_path: Path) -> None:
    change(source, OFFERS, lambda f: f.assign(apr=-1.0))
    assert load(source, f"sqlite:///{tmp_path / 'new.db'}") == 2
    assert list(tmp_path.glob("new.db*")) == []


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


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u@h/d", "'mysql' is not supported"),
        ("mssql+pyodbc://u:secret@h/d", "is not supported"),
        ("nonsense://", "is not supported"),
        ("sqlite://", "in memory"),
        ("postgresql://u:secret@127.0.0.1:1/d", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_in_one_sentence(
    url: str, said: str, source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert load(source, url) == 2
    error = capfd.readouterr().err
    assert said in error
    assert "secret" not in error
    assert error.count("\n") == 1


def test_a_file_that_is_no_database_is_refused_in_one_sentence(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter.txt").write_text("Dear lender, " * 400)
    assert load(source, str(tmp_path / "letter.txt")) == 2
    assert "not a database" in capfd.readouterr().err
    assert (tmp_path / "letter.txt").read_text().startswith("Dear lender")


def _load_and_die(source: Path, database: str) -> None:
    files = open_sources(source, OFFER_CLICK.sources)
    rows = sum(file.rows for file in files[:2])  # all leads and offers are staged, clicks are not

    read = 0

    def advance(count: int) -> None:
        nonlocal read
        read += count
        if read >= rows:
            os.kill(os.getpid(), signal.SIGKILL)

    loader = Loader("offer_click", OFFER_CLICK.scoring, str(source), add=True, max_rejected=0.0)
    with opened(database_url(database)) as engine:
        loader.load(engine, files, advance)


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

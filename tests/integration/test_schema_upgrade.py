"""A database of an earlier release is upgraded, and one of a later release is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect

import ingest
import score_client
import train
from db.engine import database_url, open_database
from db.tables import common_metadata
from tests.support.databases import all_rows, execute, new_postgres_database, query
from tests.support.project import PROJECT
from tests.support.scoring import score
from tests.support.scripts import run_main
from tests.support.source_files import load_loans, load_source
from tests.support.trained import TrainedStore

# databases written by ingest.py and score_client.py of the first release
FIRST_RELEASE = PROJECT / "tests" / "data" / "first_release"
OFFERS = 103
SCHEMA = "SELECT schema_version FROM database_info"


@pytest.fixture(params=["sqlite", "postgresql"])
def first_release(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of the first release, with results for all of its offers."""
    script = (FIRST_RELEASE / f"{request.param}.sql").read_text()
    if request.param == "sqlite":
        path = tmp_path / "first.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        return f"sqlite:///{path}"
    address = new_postgres_database(request.getfixturevalue("postgres"))
    run_sql(address, script)
    return address


def run_sql(address: str, *statements: str) -> None:
    """Run statements on PostgreSQL, each in its own transaction."""
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def columns(address: str) -> dict[str, set[str]]:
    """Return the columns of the tables that all problems share."""
    with open_database(database_url(address)) as engine:
        tables = inspect(engine)
        return {
            name: {c["name"] for c in tables.get_columns(name)} for name in common_metadata.tables
        }


def test_the_client_upgrades_a_database_of_the_first_release_and_scores_it(
    first_release: str,
    use_trained: TrainedStore,
    champion: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = "SELECT * FROM results_clicked WHERE model_id = 'offer-click/1' ORDER BY id"
    before = query(first_release, results)
    assert len(before) == OFFERS
    assert score(first_release, champion) == 0
    assert capsys.readouterr().err.count("from schema version 1 to 2") == 1
    assert query(first_release, results) == before
    counts = "SELECT model_id, count(*) FROM results_clicked GROUP BY model_id ORDER BY model_id"
    expected_counts = [("offer-click/1", OFFERS), (use_trained.champion_id, OFFERS)]
    assert query(first_release, counts) == expected_counts
    assert query(first_release, SCHEMA) == [(2,)]
    expected = {
        name: {c.name for c in table.columns} for name, table in common_metadata.tables.items()
    }
    assert columns(first_release) == expected
    assert score(first_release, champion) == 0
    assert "schema" not in capsys.readouterr().err
    # the first release's offer-click/1 is a different model
    assert score(first_release, champion, "--model", "models:/offer-click/1") == 2
    error = capsys.readouterr().err
    assert "this database knows it as model m-d735406f913443a69e00449eafa61d34" in error


def test_ingest_upgrades_the_database_in_the_transaction_of_the_load(
    first_release: str, small_source: Path
) -> None:
    assert load_source(small_source, first_release) == 2  # a second source
    assert query(first_release, SCHEMA) == [(1,)]
    assert load_source(small_source, first_release, "--add") == 0
    assert query(first_release, SCHEMA) == [(2,)]
    ((unchanged,),) = query(first_release, "SELECT count(*) FROM offers WHERE load_id = 1")
    assert unchanged > OFFERS / 2
    assert query(first_release, "SELECT count(*) FROM results_clicked") == [(unchanged,)]
    ((leads,),) = query(first_release, "SELECT count(*) FROM leads")
    assert leads == 25 + 300


def test_every_script_refuses_a_database_of_a_later_release(
    database: str, small_source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_source(small_source, database) == 0
    execute(database, "UPDATE database_info SET schema_version = 9")
    capsys.readouterr()
    for main in (ingest.main, score_client.main):
        assert run_main(main, "--database", database) == 2
        error = capsys.readouterr().err
        assert "has schema version 9 of a later release, but this release supports 2" in error
        assert error.count("\n") == 1


def test_a_user_who_does_not_own_the_tables_is_refused(
    postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = new_postgres_database(postgres)
    run_sql(address, (FIRST_RELEASE / "postgresql.sql").read_text())
    run_sql(address, "DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    reader = database_url(address).set(username="reader").render_as_string(hide_password=False)
    assert run_main(score_client.main, "--database", reader) == 2
    error = capsys.readouterr().err
    assert "cannot be used: permission denied for table database_info" in error
    assert error.count("\n") == 1
    run_sql(address, "GRANT pg_read_all_data, pg_write_all_data TO reader")
    assert run_main(score_client.main, "--database", reader) == 2
    error = capsys.readouterr().err
    assert "could not be upgraded from schema version 1 to 2 (must be owner of table" in error
    assert error.count("\n") == 1
    run_sql(address, "DROP OWNED BY reader", "DROP ROLE reader")


def test_a_table_with_other_columns_is_refused_and_not_changed(
    loan_source: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    load_loans(loan_source, database)
    execute(database, "ALTER TABLE loans DROP COLUMN dti")
    before = all_rows(database)
    for main in (ingest.main, train.main):
        capfd.readouterr()
        assert run_main(main, "--problem", "loan_risk", "--database", database) == 2
        error = capfd.readouterr().err
        assert "Table loans of this database has no column dti" in error
        assert error.count("\n") == 1
    assert all_rows(database) == before

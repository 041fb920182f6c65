"""A database of an earlier release is brought up to date, or refused in one sentence."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect

import ingest
import problems
import score_client
from db import schema, steps
from db.engine import database_url, opened
from db.tables import common
from tests.helpers import (
    PROJECT,
    Trained,
    execute,
    new_postgres_database,
    query,
    run_main,
    score,
)

FIRST = PROJECT / "tests" / "first_release"  # what its own ingest.py and score_client.py made
OFFERS = 103
SCORING = problems.load().scoring


@pytest.fixture(params=["sqlite", "postgresql"])
def first_release(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of the first release, with all its offers scored by it."""
    script = (FIRST / f"{request.param}.sql").read_text()
    if request.param == "sqlite":
        path = tmp_path / "first.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        return f"sqlite:///{path}"
    address = new_postgres_database(request.getfixturevalue("postgres"))
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(script.encode())
    return address


def columns(address: str) -> dict[str, set[str]]:
    """The columns of the tables that all problems share."""
    with opened(database_url(address)) as engine:
        found = inspect(engine)
        return {name: {c["name"] for c in found.get_columns(name)} for name in common.tables}


def test_the_client_brings_the_first_release_s_database_up_to_date_and_scores_it(
    first_release: str,
    trained: Trained,
    champion: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained.tracking_uri)
    results = "SELECT * FROM results_clicked WHERE model_id = 'offer-click/1' ORDER BY id"
    before = query(first_release, results)
    assert len(before) == OFFERS
    assert score(first_release, champion) == 0
    assert capsys.readouterr().err.count("from schema 1 to 2") == 1
    assert query(first_release, results) == before
    counts = "SELECT model_id, count(*) FROM results_clicked GROUP BY model_id ORDER BY model_id"
    assert query(first_release, counts) == [("offer-click/1", OFFERS), ("offer-click/2", OFFERS)]
    assert query(first_release, "SELECT schema_version FROM database_info") == [(2,)]
    expected = {name: {c.name for c in table.columns} for name, table in common.tables.items()}
    assert columns(first_release) == expected
    assert score(first_release, champion) == 0
    assert "schema" not in capsys.readouterr().err
    # its offer-click/1 is not ours
    assert score(first_release, champion, "--model", "models:/offer-click/1") == 2
    assert "this database knows it as model m-d735406f913443a69e00449eafa61d34" in (
        capsys.readouterr().err
    )


def test_ingest_brings_it_up_to_date_in_the_load_s_own_transaction(
    first_release: str, small_source: Path
) -> None:
    flags = ("--source", small_source, "--database", first_release)
    assert run_main(ingest.main, *flags) == 2  # another source
    assert query(first_release, "SELECT schema_version FROM database_info") == [(1,)]
    assert run_main(ingest.main, *flags, "--add") == 0
    assert query(first_release, "SELECT schema_version FROM database_info") == [(2,)]
    ((unchanged,),) = query(first_release, "SELECT count(*) FROM offers WHERE load_id = 1")
    assert unchanged > OFFERS / 2
    assert query(first_release, "SELECT count(*) FROM results_clicked") == [(unchanged,)]
    ((leads,),) = query(first_release, "SELECT count(*) FROM leads")
    assert leads == 25 + 300


def test_a_later_release_s_database_is_refused_by_every_script(
    database: str, small_source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--database", database)
    assert run_main(ingest.main, *flags, "--source", small_source) == 0
    execute(database, "UPDATE database_info SET schema_version = 9")
    capsys.readouterr()
    for main in (ingest.main, score_client.main):
        assert run_main(main, *flags) == 2
        error = capsys.readouterr().err
        assert "has schema 9, of a later release than this one, which knows 2" in error
        assert error.count("\n") == 1


def test_steps_lead_from_every_schema_to_ours() -> None:
    assert sorted(steps.STEPS) == list(range(1, schema.SCHEMA_VERSION))


def test_who_does_not_own_the_tables_is_told(
    postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address = new_postgres_database(postgres)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute((FIRST / "postgresql.sql").read_text().encode())
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN")
    reader = database_url(address).set(username="reader").render_as_string(hide_password=False)
    assert run_main(score_client.main, "--database", reader) == 2
    error = capsys.readouterr().err
    assert "cannot be used: permission denied for table database_info" in error
    assert error.count("\n") == 1
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("GRANT pg_read_all_data, pg_write_all_data TO reader")
    assert run_main(score_client.main, "--database", reader) == 2
    error = capsys.readouterr().err
    assert "has schema 1 and could not be brought to 2 (must be owner of table" in error
    assert error.count("\n") == 1
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP OWNED BY reader")
        connection.execute("DROP ROLE reader")

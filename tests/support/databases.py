"""Create databases in SQLite and PostgreSQL, and query them."""

import contextlib
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import inspect, make_url, text

from db.engine import database_url, open_database, write_transaction
from tests.support.project import SAMPLE_OFFERS


def query(database: Path | str, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a select; `database` is an address or a path."""
    with open_database(database_url(str(database))) as engine, engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def execute(database: Path | str, *statements: str) -> None:
    """Execute statements in one transaction."""
    with (
        open_database(database_url(str(database))) as engine,
        write_transaction(engine) as connection,
    ):
        for statement in statements:
            connection.exec_driver_sql(statement)


def all_rows(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows by table, or {} if the database does not exist."""
    url = database_url(database)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return {}
    with open_database(url) as engine, engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(text(f'SELECT * FROM "{name}"'))), key=repr)
            for name in inspect(engine).get_table_names()
        }


def count_scored(database: Path | str) -> int:
    """Return the number of stored results of offers."""
    return int(query(database, "SELECT count(*) FROM results_clicked")[0][0])


def assert_every_offer_scored_once(
    database: Path | str, model_id: str, offers: int = SAMPLE_OFFERS
) -> None:
    """Assert that there are exactly `offers` results, one for each offer, all by this version."""
    assert query(
        database,
        "SELECT count(*), count(DISTINCT offer_id), min(model_id), max(model_id) "
        "FROM results_clicked",
    ) == [(offers, offers, model_id, model_id)]


def assert_scored_once_and_nothing_claimed(database: str, model_id: str, offers: int) -> None:
    """Assert the same, and that no row is rejected or claimed."""
    assert_every_offer_scored_once(database, model_id, offers)
    for table in ("results_clicked_rejected", "claims"):
        assert query(database, f"SELECT count(*) FROM {table}") == [(0,)]


def copy_sqlite(database: Path, to: Path) -> Path:
    with (
        contextlib.closing(sqlite3.connect(database)) as source,
        contextlib.closing(sqlite3.connect(to)) as target,
    ):
        source.backup(target)
    return to


def new_postgres_database(server: str, template: str = "template1") -> str:
    """Create an empty database, or a copy of another, and return its address."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server.replace("/postgres?", f"/{name}?")


def postgres_database_name(address: str) -> str:
    return str(make_url(address).database)


def drop_postgres_database(address: str) -> None:
    name = postgres_database_name(address)
    server = address.replace(f"/{name}?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

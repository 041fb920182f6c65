"""Errors of the database while many rows are inserted."""

import pytest
from sqlalchemy import BigInteger, CheckConstraint, Column, MetaData, Table
from sqlalchemy.exc import IntegrityError

from db import bulk
from db.engine import database_url, open_database


def test_errors_are_those_of_sqlalchemy_on_each_database(database: str) -> None:
    """On PostgreSQL the rows go by the driver's COPY, around SQLAlchemy."""
    table = Table(
        "numbers", MetaData(), Column("number", BigInteger, CheckConstraint("number > 0"))
    )
    with (
        open_database(database_url(database), create=True) as engine,
        engine.connect() as connection,
    ):
        table.create(connection)
        with pytest.raises(IntegrityError):
            bulk.insert_rows(connection, table, {"number": [1, -1]})

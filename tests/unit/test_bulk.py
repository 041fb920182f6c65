"""Inserting many rows at once."""

from sqlalchemy import Column, Integer, MetaData, Table, create_engine, func, select

from db import bulk


def test_a_batch_without_rows_inserts_nothing() -> None:
    table = Table("numbers", MetaData(), Column("number", Integer))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        bulk.insert_rows(connection, table, {"number": []})
        assert connection.scalar(select(func.count()).select_from(table)) == 0
    engine.dispose()

"""Put many rows into a table, given as columns, several times as fast as SQLAlchemy's own insert.

On SQLite SQLAlchemy compiles the statement and the driver runs it over tuples; on PostgreSQL the
rows go by COPY. Values are bound or copied, never part of a statement.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import Boolean, Column, Connection, MetaData, Table, literal, select, true

from db.engine import dialect_insert

Columns = Mapping[str, Sequence[Any]]


def insert_rows(connection: Connection, table: Table, columns: Columns) -> None:
    """Add rows to a table that has nothing in their way."""
    if connection.dialect.name == "sqlite":
        _execute_many(connection, dialect_insert(connection)(table), columns, {})
    else:
        _copy(connection, table, columns)


def insert_new_rows(
    connection: Connection, table: Table, columns: Columns, constants: Mapping[str, Any]
) -> None:
    """Add those of the rows that the table does not have; `same` is what they have in common."""
    put = dialect_insert(connection)(table)
    if connection.dialect.name == "sqlite":
        _execute_many(connection, put.on_conflict_do_nothing(), columns, constants)
        return
    received = Table(
        f"received_{table.name}",
        MetaData(),
        *(Column(name, table.c[name].type) for name in columns),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DELETE ROWS",  # kept for the next batch of this connection
    )
    received.create(connection, checkfirst=True)
    _copy(connection, received, columns)
    common = (literal(value, table.c[name].type) for name, value in constants.items())
    rows = select(*received.c, *common).where(true())
    connection.execute(put.from_select([*columns, *constants], rows).on_conflict_do_nothing())


def _execute_many(connection: Connection, put: Any, columns: Columns, same: Mapping) -> None:
    compiled = put.compile(dialect=connection.dialect, column_keys=[*columns, *same])
    number = len(next(iter(columns.values())))
    if not number:  # the driver would run the statement once, without values
        return

    def bound(name: str) -> Iterable[Any]:
        process = _processor(connection, put.table.c[name])
        if name in same:
            return repeat(process(same[name]) if process else same[name], number)
        return map(process, columns[name]) if process else columns[name]

    rows = list(zip(*map(bound, compiled.positiontup), strict=True))
    connection.exec_driver_sql(compiled.string, rows)


def _processor(connection: Connection, column: Column) -> Callable[[Any], Any] | None:
    """What makes the driver's value of ours, as a text of a timestamp; None if it takes ours."""
    if isinstance(column.type, Boolean):  # SQLAlchemy would check each; SQLite's driver takes them
        return None
    return column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)


def _copy(connection: Connection, table: Table, columns: Columns) -> None:
    quoted = connection.dialect.identifier_preparer
    names = ", ".join(map(quoted.quote, columns))
    cursor: Any = connection.connection.cursor()  # psycopg's, which knows more than DB-API's
    with (
        cursor,
        cursor.copy(f"COPY {quoted.format_table(table)} ({names}) FROM STDIN") as copy,
    ):
        for row in zip(*columns.values(), strict=True):
            copy.write_row(row)

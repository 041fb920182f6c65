"""Insert many rows, given as columns, several times as fast as SQLAlchemy's own insert.

On SQLite, SQLAlchemy compiles the statement and the driver executes it for tuples. On PostgreSQL,
rows are sent by COPY. Values are always bound or copied, never part of a statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import Boolean, Column, Connection, MetaData, Table, literal, select, true
from sqlalchemy.exc import DBAPIError

from db.engine import dialect_insert

Columns = Mapping[str, Sequence[Any]]


def insert_rows(connection: Connection, table: Table, columns: Columns) -> None:
    """Insert rows whose keys are not in the table yet."""
    if connection.dialect.name == "sqlite":
        _execute_many(connection, dialect_insert(connection)(table), columns, {})
    else:
        _copy(connection, table, columns)


def insert_new_rows(
    connection: Connection, table: Table, columns: Columns, constants: Mapping[str, Any]
) -> None:
    """Insert the rows that the table lacks; `constants` are columns with one value for all rows."""
    statement = dialect_insert(connection)(table)
    if connection.dialect.name == "sqlite":
        _execute_many(connection, statement.on_conflict_do_nothing(), columns, constants)
        return
    received = Table(
        f"received_{table.name}",
        MetaData(),
        *(Column(name, table.c[name].type) for name in columns),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DELETE ROWS",  # the connection's next batch uses the table again
    )
    received.create(connection, checkfirst=True)
    _copy(connection, received, columns)
    literals = (literal(value, table.c[name].type) for name, value in constants.items())
    rows = select(*received.c, *literals).where(true())
    connection.execute(statement.from_select([*columns, *constants], rows).on_conflict_do_nothing())


def _execute_many(
    connection: Connection, statement: Any, columns: Columns, constants: Mapping[str, Any]
) -> None:
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect, column_keys=[*columns, *constants])
    count = len(next(iter(columns.values())))
    if not count:  # the driver would execute the statement once, without values
        return

    def bind(name: str) -> Iterable[Any]:
        type_ = statement.table.c[name].type
        # SQLite's driver accepts booleans; skip the slow check
        is_boolean = isinstance(type_, Boolean)
        process = None if is_boolean else type_.dialect_impl(dialect).bind_processor(dialect)
        if name in constants:
            return repeat(process(constants[name]) if process else constants[name], count)
        return map(process, columns[name]) if process else columns[name]

    rows = list(zip(*map(bind, compiled.positiontup), strict=True))
    connection.exec_driver_sql(compiled.string, rows)


def _copy(connection: Connection, table: Table, columns: Columns) -> None:
    preparer = connection.dialect.identifier_preparer
    target = f"{preparer.format_table(table)} ({', '.join(map(preparer.quote, columns))})"
    cursor: Any = connection.connection.cursor()  # a psycopg cursor, which supports COPY
    statement = f"COPY {target} FROM STDIN"
    driver: Any = connection.dialect.loaded_dbapi
    try:
        with cursor, cursor.copy(statement) as copy:
            for row in zip(*columns.values(), strict=True):
                copy.write_row(row)
    except driver.Error as error:  # as SQLAlchemy raises the errors of its own statements
        raise DBAPIError.instance(
            statement, None, error, driver.Error, dialect=connection.dialect
        ) from error

"""Load source files into their tables: streamed, checked, all or nothing.

One transaction covers all files, so a failure or a kill at any point leaves the database as it was.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, and_, delete, insert, select

from db.engine import acquire_load_lock, write_transaction
from db.readers import SourceError, SourceFile
from db.schema import create_tables
from db.staging import FileReport, LoadRequest, StagedFile
from db.tables import loads, rejected_rows, utc_now


def load_files(
    engine: Engine, what: LoadRequest, files: Sequence[SourceFile], advance: Callable[[int], None]
) -> list[FileReport]:
    """Load all files in one transaction, parents first; `advance` is told of rows read.

    Raises:
        SourceError: another source is already loaded, a file is damaged, or too many rows are bad.
    """
    metadata = what.scoring.key.table.metadata
    in_order = sorted(files, key=lambda file: metadata.sorted_tables.index(file.source.table))
    with write_transaction(engine) as connection:
        acquire_load_lock(connection, loading=True)
        create_tables(connection, metadata)
        known = _known_sources(connection, what)
        previously_rejected = _forget_rejected(connection, what)
        load_id = connection.execute(
            insert(loads)
            .values(problem=what.problem, source=what.source, loaded_at=utc_now())
            .returning(loads.c.id)
        ).scalar_one()
        reports = [StagedFile(what, connection, file, load_id).run(advance) for file in in_order]
        changed = any(r.added or r.updated or r.rejected for r in reports)
        if what.source in known and not changed and not previously_rejected:
            connection.rollback()  # the same files again: not even the load's row stays
    return reports


def _known_sources(connection: Connection, what: LoadRequest) -> set[str]:
    query = select(loads.c.source).where(loads.c.problem == what.problem).distinct()
    known = set(connection.scalars(query))
    if known and what.source not in known and not what.add:
        raise SourceError(
            f"This database holds rows from {', '.join(sorted(known))}: to mix in those from "
            f"{what.source} say --add, or load them into another one with --database."
        )
    return known


def _forget_rejected(connection: Connection, what: LoadRequest) -> int:
    mine = and_(rejected_rows.c.problem == what.problem, rejected_rows.c.source == what.source)
    return connection.execute(delete(rejected_rows).where(mine)).rowcount

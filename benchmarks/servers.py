"""Benchmarks of serve.py compared with `mlflow models serve`, both with as many workers."""

import contextlib
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.figures import PROJECT, URI, BenchmarkSetup, Figure
from benchmarks.processes import measure_alternately, median_ratio, run, spread
from scoring.local_server import free_port, run_server, serve_model

CLIENTS = 32


@contextlib.contextmanager
def run_serve_py(workers: int) -> Iterator[str]:
    """Run serve.py on a free port; yields its address."""
    port = free_port()
    command = [sys.executable, PROJECT / "serve.py", "--port", port, "--workers", workers]
    url = f"http://127.0.0.1:{port}"
    with run_server([*map(str, command)], f"{url}/ready"):
        yield url


def measure_requests(endpoint: str, clients: int, count: int) -> tuple[float, float, int]:
    """Return the median latency in ms, requests per second and failures of one-row requests."""
    latency, rate, failed = run("-m", "benchmarks.one_row", endpoint, clients, count).output.split()
    return float(latency), float(rate), int(failed)


def one_row(_bench: BenchmarkSetup) -> Figure:
    def latency(endpoint: str) -> float:
        return measure_requests(endpoint, 1, 500)[0]

    ratios, details = [], []
    for workers in (1, 2):
        with run_serve_py(workers) as us, serve_model(URI, workers) as them:
            pair = measure_alternately(partial(latency, us), partial(latency, them))
        ratios.append(median_ratio(*pair))
        details.append(
            f"with {workers} worker{'s' * (workers > 1)}: serve.py {spread(pair[0])} ms, "
            f"mlflow {spread(pair[1])} ms, {ratios[-1]:.2f} times"
        )
    return Figure(
        "Latency of a request with one row of JSON, from one client: serve.py compared with "
        "`mlflow models serve`, the worse ratio of one and two workers",
        "at most 0.65 times MLflow's median",
        f"{max(ratios):.2f}", max(ratios) <= 0.65, "; ".join(details),
    )  # fmt: skip


def many_clients(_bench: BenchmarkSetup) -> Figure:
    failures = 0

    def rate(endpoint: str) -> float:
        nonlocal failures
        _, requests_per_second, failed = measure_requests(endpoint, CLIENTS, 1_500)
        failures += failed
        return requests_per_second

    with run_serve_py(2) as us, serve_model(URI, 2) as them:
        rates = measure_alternately(partial(rate, us), partial(rate, them))
    speedup = median_ratio(*rates)
    return Figure(
        f"Requests per second with one row of JSON each, from {CLIENTS} clients: serve.py compared "
        "with `mlflow models serve`",
        "no errors, at least as many", f"{speedup:.2f}", speedup >= 1 and not failures,
        f"serve.py {spread(rates[0], 0)}, mlflow {spread(rates[1], 0)}, 2 workers; "
        f"{failures} failed",
    )  # fmt: skip


def bulk(bench: BenchmarkSetup) -> Figure:
    def seconds(endpoint: str) -> float:
        return run(*bench.client(endpoint=endpoint)).wall

    with run_serve_py(2) as us, serve_model(URI, 2) as them:
        times = measure_alternately(partial(seconds, us), partial(seconds, them))
    speedup = median_ratio(times[1], times[0])
    return Figure(
        "Rows per second of `score_client.py`: serve.py compared with `mlflow models serve`",
        "at least as many", f"{speedup:.2f}", speedup >= 1,
        f"serve.py {spread(times[0])} s, mlflow {spread(times[1])} s, {bench.rows:,} rows, "
        "2 workers",
    )  # fmt: skip

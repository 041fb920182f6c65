"""The log of serve.py, with one JSON object per line, and its metrics for Prometheus.

Each worker is a process and keeps its metrics in the folder PROMETHEUS_MULTIPROC_DIR, which must
be set before this module is imported; prometheus_client adds them up.
"""

import contextlib
import json
import os
import re
import struct
import sys
import time
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

import cli
from serving.settings import METRICS_FOLDER

BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

MAX_TRIES = 10  # to read the metrics of all workers
REQUESTS = Counter("scoring_requests", "Scoring requests", ("alias", "version", "status"))
REQUEST_SECONDS = Histogram(
    "scoring_request_seconds", "Duration of successful scoring requests", ("alias", "version"),
    buckets=BUCKETS,
)  # fmt: skip
ROWS = Counter("scoring_rows", "Rows scored", ("alias", "version"))
ERRORS = Counter("scoring_errors", "Rejected requests, by kind of error", ("alias", "kind"))
IN_FLIGHT = Gauge("scoring_in_flight", "Scoring requests in progress", multiprocess_mode="livesum")
ACTIVE_WORKERS = Gauge(
    "scoring_version_workers", "Workers in which the version is active", ("alias", "version"),
    multiprocess_mode="livesum",
)  # fmt: skip
REFUSING_WORKERS = Gauge(
    "scoring_version_refused_workers", "Workers that refused a version of the alias", ("alias",),
    multiprocess_mode="livesum",
)  # fmt: skip


@dataclass
class RequestRecord:
    """What the log and the metrics report about one request, without any of its content."""

    request_id: str
    started: float = field(default_factory=time.perf_counter)
    route: str = ""  # of the matching route, not the requested path
    alias: str = ""
    version: str = ""
    caller: str = ""  # the name of the token
    rows: int = 0
    status: int = 0
    error: str = ""  # the code of the error response
    headers: dict[str, str] = field(default_factory=dict)  # added to the response

    def update_metrics(self) -> None:
        """Count the request if it is a scoring request, or if it failed."""
        if self.error:
            ERRORS.labels(self.alias, self.error.lower()).inc()
        if not self.alias:
            return
        REQUESTS.labels(self.alias, self.version, str(self.status)).inc()
        if self.status == 200:
            ROWS.labels(self.alias, self.version).inc(self.rows)
            seconds = time.perf_counter() - self.started
            REQUEST_SECONDS.labels(self.alias, self.version).observe(seconds)

    def log(self, method: str, client: str) -> None:
        """Write a line to the log for a scoring request or an error."""
        if self.status == 200 and not self.alias:
            return
        fields = {
            "request_id": self.request_id,
            "client": client,
            "caller": self.caller,
            "method": method,
            "route": self.route,
            "status": self.status,
            "error": self.error,
            "alias": self.alias,
            "version": self.version,
            "rows": self.rows,
            "ms": round((time.perf_counter() - self.started) * 1000, 2),
        }
        log_event("request", **fields)


def log_event(event: str, **fields: Any) -> None:
    """Write an event to the log with its time and worker; empty fields are left out."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "event": event, "worker": os.getpid()}
    line |= {name: value for name, value in fields.items() if value not in ("", None)}
    with contextlib.suppress(OSError):  # the reader of the log has left
        # a single write per line, so that the lines of several workers do not mix
        os.write(sys.stdout.fileno(), (json.dumps(line) + "\n").encode())


def error_locations(error: BaseException) -> list[str]:
    """The type and traceback of an error, without its text, which may contain parts of requests."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [type(error).__name__, *(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)]


def render_metrics() -> bytes:
    """The metrics of all workers in the text format of Prometheus."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call, unused-ignore]
    for _ in range(MAX_TRIES):
        try:
            return generate_latest(registry)
        except (struct.error, RuntimeError):  # another worker is creating its file
            time.sleep(0.02)
    return generate_latest(registry)


def remove_dead_workers() -> None:
    """Remove the gauges of workers that were killed, such as their requests in flight."""
    for file in Path(os.environ[METRICS_FOLDER]).glob("gauge_live*_*.db"):
        pid = int(re.sub(r"\D", "", file.stem))
        if not cli.is_running(pid):
            mark_process_dead(pid)  # type: ignore[no-untyped-call, unused-ignore]

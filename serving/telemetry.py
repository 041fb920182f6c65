"""What is seen of a server from outside: the log, in lines of JSON, and metrics for Prometheus.

Workers are processes of their own: prometheus_client adds up what each keeps in the folder
PROMETHEUS_MULTIPROC_DIR, which has to be set before this is imported.
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

TRIES = 10  # to read the workers' files
REQUESTS = Counter("scoring_requests", "Requests for scores", ("alias", "version", "status"))
SECONDS = Histogram(
    "scoring_request_seconds", "Time a request that got scores", ("alias", "version"),
    buckets=BUCKETS,
)  # fmt: skip
ROWS = Counter("scoring_rows", "Rows scored", ("alias", "version"))
ERRORS = Counter("scoring_errors", "Requests that were refused, by kind", ("alias", "kind"))
IN_FLIGHT = Gauge("scoring_in_flight", "Requests at work now", multiprocess_mode="livesum")
ACTIVE_WORKERS = Gauge(
    "scoring_version_workers", "Workers in which the version has the alias", ("alias", "version"),
    multiprocess_mode="livesum",
)  # fmt: skip
REFUSING_WORKERS = Gauge(
    "scoring_version_refused_workers",
    "Workers in which what the alias points to is refused, and the one before goes on", ("alias",),
    multiprocess_mode="livesum",
)  # fmt: skip


@dataclass
class RequestRecord:
    """One request and what became of it; never what it was about."""

    request_id: str
    started: float = field(default_factory=time.perf_counter)
    route: str = ""  # ours, not the path that was asked for
    alias: str = ""
    version: str = ""
    caller: str = ""  # the name of its token
    rows: int = 0
    status: int = 0
    error: str = ""  # the code of its refusal
    headers: dict[str, str] = field(default_factory=dict)  # to be added to its answer

    def update_metrics(self) -> None:
        """Add it to the metrics: requests for scores, and all that were refused."""
        if self.error:
            ERRORS.labels(self.alias, self.error.lower()).inc()
        if not self.alias:
            return
        REQUESTS.labels(self.alias, self.version, str(self.status)).inc()
        if self.status == 200:
            ROWS.labels(self.alias, self.version).inc(self.rows)
            SECONDS.labels(self.alias, self.version).observe(time.perf_counter() - self.started)

    def log(self, method: str, client: str) -> None:
        """A line of the access log; probes that are answered well are not worth one."""
        if self.status == 200 and not self.alias:
            return
        told = {
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
        log_event("request", **told)


def log_event(event: str, **told: Any) -> None:
    """A line of the log: what happened when in which worker, without what is empty."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "event": event, "worker": os.getpid()}
    line |= {name: value for name, value in told.items() if value not in ("", None)}
    with contextlib.suppress(OSError):  # nobody reads it any more: no reason to fail
        # one write a line, so that those of several workers do not mix
        os.write(sys.stdout.fileno(), (json.dumps(line) + "\n").encode())


def error_locations(error: BaseException) -> list[str]:
    """Where an error came from, without its text, which may hold what was sent."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [
        type(error).__name__,
        *(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames),
    ]


def render_metrics() -> bytes:
    """All workers' metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    for _ in range(TRIES):
        try:
            return generate_latest(registry)
        except (struct.error, RuntimeError):  # another worker is just making its file
            time.sleep(0.02)
    return generate_latest(registry)


def remove_dead_workers() -> None:
    """What workers that were killed said of themselves, such as what was in flight, is over."""
    for file in Path(os.environ[METRICS_FOLDER]).glob("gauge_live*_*.db"):
        pid = int(re.sub(r"\D", "", file.stem))
        if not cli.is_running(pid):
            mark_process_dead(pid)

"""Settings that serve.py passes to its worker processes in an environment variable."""

import json
import os
from dataclasses import asdict, dataclass, field

SETTINGS_VARIABLE = "SERVE_SETTINGS"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the name is defined by prometheus_client


@dataclass(frozen=True)
class Settings:
    """The settings of one server; the limits apply to each worker."""

    model_name: str
    outcome_labels: tuple[str, str]  # below the threshold, and at or above it
    aliases: tuple[str, ...]
    refresh_seconds: float
    timeout_seconds: float
    max_in_flight: int
    max_body_bytes: int  # also after decompression
    max_rows: int  # per request
    token_file: str  # a path, or "" if no tokens are required
    supervisor_pid: int = field(default_factory=os.getpid)

    def to_environment(self) -> None:
        """Set the environment variable that worker processes inherit."""
        os.environ[SETTINGS_VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> "Settings":
        values = json.loads(os.environ[SETTINGS_VARIABLE])
        labels, aliases = tuple(values["outcome_labels"]), tuple(values["aliases"])
        return cls(**values | {"outcome_labels": labels, "aliases": aliases})

"""What serve.py tells its workers, which are processes of their own: by one variable."""

import json
import os
from dataclasses import asdict, dataclass, field

SETTINGS_VARIABLE = "SERVE_SETTINGS"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the name is prometheus_client's


@dataclass(frozen=True)
class Settings:
    """One server's; times in seconds, limits for each worker."""

    model_name: str
    words: tuple[str, str]  # what an answer below the threshold means, and one from it on
    aliases: tuple[str, ...]
    refresh: float
    timeout: float
    in_flight: int
    max_body: int  # bytes, also after decompression
    max_rows: int  # of a request
    tokens: str  # a file's path, or ""
    supervisor: int = field(default_factory=os.getpid)  # of the process that makes these

    def to_environment(self) -> None:
        """Leave them to the processes that this one starts."""
        os.environ[SETTINGS_VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> "Settings":
        found = json.loads(os.environ[SETTINGS_VARIABLE])
        found["words"], found["aliases"] = tuple(found["words"]), tuple(found["aliases"])
        return cls(**found)

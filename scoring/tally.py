"""What a scoring run saw: requests, failures, latencies and the distribution of its scores."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

SCORE_BINS = np.linspace(0, 1, 101)  # of the probabilities, for the plot


@dataclass
class RunStatistics:
    """Counts that grow with a run's requests, never with its rows."""

    latencies: list[float] = field(default_factory=list)  # seconds a request that was answered
    failures: Counter[str] = field(default_factory=Counter)  # kind of error -> requests
    rejected: int = 0
    histogram: np.ndarray = field(
        default_factory=lambda: np.zeros(len(SCORE_BINS) - 1, dtype=np.int64)
    )

    def add_scores(self, probabilities: np.ndarray) -> None:
        self.histogram += np.histogram(probabilities, SCORE_BINS)[0]

    def metrics(self) -> dict[str, float]:
        """The counts by name, and the percentiles of the latency in milliseconds."""
        found = {"requests": float(len(self.latencies) + self.failures.total())}
        found |= {f"requests_failed_{kind}": float(n) for kind, n in self.failures.items()}
        if self.latencies:
            for percent in (50, 95, 99):
                latency = float(np.percentile(self.latencies, percent))
                found[f"latency_p{percent}_ms"] = latency * 1000
        return found

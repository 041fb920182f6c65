"""Canary rows: made-up rows whose answers prove which version gave them.

Each version carries them with the probabilities it gave when it was logged. They go in front of
every request; only a batch whose canary rows are answered as logged came from that version.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RELATIVE_TOLERANCE = 1e-9  # a sum's last bits differ with the size of a batch


@dataclass(frozen=True)
class Canary:
    """Rows in the order of the problem's features, and the probability logged for each."""

    rows: Sequence[Sequence[Any]]
    probabilities: Sequence[float]

    def answered_by(self, probabilities: Sequence[float]) -> bool:
        """Are these the answers of the version that carries this canary."""
        return len(probabilities) == len(self.probabilities) and bool(
            np.allclose(probabilities, self.probabilities, rtol=RELATIVE_TOLERANCE, atol=0)
        )

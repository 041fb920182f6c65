"""Canary rows: made-up rows whose answers prove which version gave them.

Each version carries them with the probabilities it gave when it was logged. They ride in every
request, among its rows; only a batch whose canary rows are answered as logged came from that
version, and in the order of its rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ROWS_PER_ROUND = 2_000  # that are sent with one more copy of each canary row
RELATIVE_TOLERANCE = 1e-9  # a sum's last bits differ with the size of a batch


@dataclass(frozen=True)
class CanaryRows:
    """Rows in the order of the problem's features, and the probability logged for each."""

    rows: Sequence[Sequence[Any]]
    probabilities: Sequence[float]

    def is_answered_by(
        self, probabilities: Sequence[float], sent: Sequence[int] | None = None
    ) -> bool:
        """Are these the answers of the version that carries this canary.

        `sent` are the positions of the canary rows that were sent; all of them once, without it.
        """
        logged = np.asarray(self.probabilities)[slice(None) if sent is None else sent]
        return len(probabilities) == len(logged) and bool(
            np.allclose(probabilities, logged, rtol=RELATIVE_TOLERANCE, atol=0)
        )

    def sending_order(self, rows: int) -> np.ndarray:
        """The order in which to send the canary rows with so many others, which keep theirs.

        Its numbers are positions in the canary rows followed by the others. A canary row comes
        first, one comes last, and the rest of them at random places between. Their probabilities
        rise again and again, so that neighbors differ and so do the first and the last.
        """
        rising = np.argsort(self.probabilities, kind="stable")
        sent = np.resize(rising, max(2, len(rising) * (1 + rows // ROWS_PER_ROUND)))
        last = rows + len(sent) - 1
        inner = np.random.default_rng().choice(last - 1, len(sent) - 2, replace=False) + 1
        is_canary = np.zeros(last + 1, dtype=bool)
        is_canary[[0, *inner, last]] = True
        order = np.empty(last + 1, dtype=np.int64)
        order[is_canary] = sent
        order[~is_canary] = np.arange(len(rising), len(rising) + rows)
        return order

"""Canary rows: synthetic rows that verify which model version answered a request.

Each version carries its canary rows with the probabilities that were logged for them at training.
Every scoring request contains them between its own rows. If they are answered as logged, the batch
was scored by that version, and the answers are in the order of the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ROWS_PER_ROUND = 2_000  # each canary row is sent once more per so many rows
RELATIVE_TOLERANCE = 1e-9  # the last bits of a sum vary with the size of the batch


@dataclass(frozen=True)
class CanaryRows:
    """Synthetic rows, their values in the order of the features, and their logged probabilities."""

    rows: Sequence[Sequence[Any]]
    probabilities: Sequence[float]

    def is_answered_by(
        self, probabilities: Sequence[float], sent: Sequence[int] | None = None
    ) -> bool:
        """Return whether these probabilities are the logged ones.

        `sent` has the positions of the canary rows that were sent; by default, each was sent once.
        """
        logged = np.asarray(self.probabilities)[slice(None) if sent is None else sent]
        return len(probabilities) == len(logged) and bool(
            np.allclose(probabilities, logged, rtol=RELATIVE_TOLERANCE, atol=0)
        )

    def sending_order(self, row_count: int) -> np.ndarray:
        """Return the order in which to send the canary rows together with other rows.

        The order refers to positions in the canary rows followed by the other rows. It begins and
        ends with a canary row, has the rest of them at random positions, and does not reorder the
        other rows. The canary rows are sorted by their probabilities, repeatedly, so neighbors
        differ, and so do the first and the last one.
        """
        ascending = np.argsort(self.probabilities, kind="stable")
        sent = np.resize(ascending, max(2, len(ascending) * (1 + row_count // ROWS_PER_ROUND)))
        last = row_count + len(sent) - 1
        inner = np.random.default_rng().choice(last - 1, len(sent) - 2, replace=False) + 1
        is_canary = np.zeros(last + 1, dtype=bool)
        is_canary[[0, *inner, last]] = True
        order = np.empty(last + 1, dtype=np.int64)
        order[is_canary] = sent
        order[~is_canary] = np.arange(len(ascending), len(ascending) + row_count)
        return order

"""Canary rows: made-up rows whose answers prove which version gave them.

Each version carries them with the probabilities it gave when it was logged. They go in front of
every request; only a batch whose canary rows are answered as logged came from that version.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from problems import Problem

if TYPE_CHECKING:
    import pandas as pd

COUNT = 6  # few, as they ride on every request; enough that two versions never agree on all
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


def rows(problem: Problem, frame: "pd.DataFrame") -> list[list[Any]]:
    """Made-up rows that range over the features' values, the last all null: nobody's own row."""
    spread = np.linspace(0.1, 0.9, COUNT - 1)
    columns: dict[str, list[Any]] = {}
    for name in problem.numbers:
        columns[name] = [float(value) for value in frame[name].quantile(spread)]
    for shift, name in enumerate(problem.texts):  # shifted, so that no two columns move together
        common = list(frame[name].value_counts().index[: COUNT - 1]) or [None]
        columns[name] = [common[(i + shift) % len(common)] for i in range(COUNT - 1)]
    made = [[columns[name][i] for name in problem.feature_names] for i in range(COUNT - 1)]
    return [*made, [None] * len(problem.features)]

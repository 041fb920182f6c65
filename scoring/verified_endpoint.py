"""Call an endpoint and verify that one particular model version answered.

Each request carries the version's canary rows: one first, one last, and the others at random
places between. The predictions are returned only if every canary row has its logged probability at
its place. If the server names its version, as serve.py does, that name must match too. The batch
client and the form both use this call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from problems.spec import Feature
from registry.versions import RegisteredVersion
from scoring.endpoint import ModelEndpoint
from scoring.errors import WrongVersion

ARROW_TYPES = {"number": pa.float64(), "text": pa.string()}


@dataclass(frozen=True)
class VerifiedEndpoint:
    """An endpoint, the version that it should serve, and that version's features."""

    endpoint: ModelEndpoint
    version: RegisteredVersion
    features: Sequence[Feature]

    def predict(self, columns: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Return the probability for each row; without columns, only verify the version.

        Raises:
            WrongVersion: a canary row has another probability, or the server names another version.
            EndpointError: any other failure of the call.
        """
        canary = self.version.canary
        identity = {
            "X-Model-Version": self.version.model_id,
            "X-Logged-Model-Id": self.version.logged_model_id,
        }
        canary_rows, rows = self._canary_rows(), self._table(columns)
        order = canary.sending_order(rows.num_rows)
        is_canary = order < canary_rows.num_rows
        request = pa.concat_tables([canary_rows, rows]).take(pa.array(order))
        probabilities = self.endpoint.predict(request, identity)
        if not canary.is_answered_by(probabilities[is_canary].tolist(), order[is_canary].tolist()):
            raise WrongVersion(
                f"{self.endpoint.url} does not answer as {self.version.model_id} does (its "
                f"predictions for the canary rows differ): serve {self.version.uri} there, or name "
                "the version that it serves with --model."
            )
        others: np.ndarray = probabilities[~is_canary]
        return others

    def _canary_rows(self) -> pa.Table:
        names = [feature.name for feature in self.features]
        columns = zip(*self.version.canary.rows, strict=True)
        return self._table(dict(zip(names, columns, strict=True)))

    def _table(self, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
        return pa.table(
            {
                feature.name: pa.array(columns.get(feature.name, ()), ARROW_TYPES[feature.kind])
                for feature in self.features
            }
        )

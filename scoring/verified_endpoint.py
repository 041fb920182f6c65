"""Ask an endpoint as one version: every answer is proved to be that version's.

The version's canary rows ride among the rows of each request: first, last, and at random places
between. Only if they come back as logged, each in its place, are the other answers given out; and
where the server says which version it is, as serve.py does, it must be this one. This is the call
for whoever has rows: the batch client or a form.
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
    """An endpoint that should serve this version, which has these features."""

    endpoint: ModelEndpoint
    version: RegisteredVersion
    features: Sequence[Feature]

    def predict(self, columns: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """The probabilities for rows given as columns; none for no columns, a mere check.

        Raises:
            WrongVersion: the canary rows came back wrong, or the server says that it is another.
            EndpointError: whatever else is wrong with the endpoint.
        """
        canary = self.version.canary
        identity = {
            "X-Model-Version": self.version.model_id,
            "X-Logged-Model-Id": self.version.logged_model_id,
        }
        known, rows = self._known(), self._table(columns)
        order = canary.sending_order(rows.num_rows)
        is_canary = order < known.num_rows
        sent = pa.concat_tables([known, rows]).take(pa.array(order))
        answers = self.endpoint.predict(sent, identity)
        if not canary.is_answered_by(answers[is_canary].tolist(), order[is_canary].tolist()):
            raise WrongVersion(
                f"{self.endpoint.url} does not answer as {self.version.model_id} does (its canary "
                f"rows came back wrong): serve {self.version.uri} there, or name the version that "
                "it serves with --model."
            )
        return answers[~is_canary]

    def _known(self) -> pa.Table:
        """The canary rows."""
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

"""Score rows that were entered by hand, and store them with the problem's results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from db import entries, runs
from db.engine import translate_database_errors
from problems import Problem
from registry import store, versions
from scoring.endpoint import ModelEndpoint
from scoring.verified_endpoint import VerifiedEndpoint


@dataclass(frozen=True)
class EntryScorer:
    """Scores entries for one problem with the endpoint of each alias."""

    engine: Engine
    problem: Problem
    endpoints: Mapping[str, ModelEndpoint]

    def score_and_store(self, alias: str, columns: Mapping[str, Sequence[Any]]) -> list[int]:
        """Score rows with the version of this alias, store the results and return their ids.

        Raises:
            EndpointError, RegistryError, DatabaseError: this failed, and nothing was stored.
        """
        with store.without_retries():
            client = store.connect()
        version = versions.resolve(client, f"models:/{self.problem.model_name}@{alias}")
        problem = versions.problem_for_version(version, self.problem)
        row_count = len(next(iter(columns.values())))
        features = {name: columns.get(name, [None] * row_count) for name in problem.feature_names}
        endpoint = VerifiedEndpoint(self.endpoints[alias], version, problem.features)
        probabilities = endpoint.predict(features)
        labels = version.decide(probabilities, problem.outcome_labels)
        scores = probabilities.tolist(), labels.tolist()
        with translate_database_errors(self.engine.url):
            runs.remember_version(
                self.engine,
                *(version.model_id, version.logged_model_id, version.registry, version.threshold),
            )
            return entries.store_entries(
                self.engine, problem.scoring, version.model_id, columns, *scores
            )

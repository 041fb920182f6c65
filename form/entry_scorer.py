"""Ask a version about rows entered by hand, and keep the answers among the problem's results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from sqlalchemy import Engine

from db import entries, runs
from db.engine import translate_database_errors
from problems import Problem
from registry import store, versions
from scoring.endpoint import ModelEndpoint
from scoring.verified_endpoint import VerifiedEndpoint


@dataclass(frozen=True)
class EntryScorer:
    """What a page's requests need: the tables, the problem, and an endpoint for each alias."""

    engine: Engine
    problem: Problem
    endpoints: Mapping[str, ModelEndpoint]

    def ask(self, alias: str, columns: Mapping[str, Sequence[Any]]) -> list[int]:
        """Have the version with this alias score the rows; returns the ids of their results.

        Raises:
            EndpointError, RegistryError, DatabaseError: it was not so; nothing is stored.
        """
        uri = f"models:/{self.problem.model_name}@{alias}"
        version = versions.resolve(client(), uri)
        problem = versions.problem_for_version(version, self.problem)
        rows = len(next(iter(columns.values())))
        whole = {name: columns.get(name, [None] * rows) for name in problem.feature_names}
        endpoint = VerifiedEndpoint(self.endpoints[alias], version, problem.features)
        answers = endpoint.predict(whole)
        words = version.decide(answers, problem.outcome_labels)
        with translate_database_errors(self.engine.url):
            runs.remember_version(
                self.engine,
                *(version.model_id, version.logged_model_id, version.registry, version.threshold),
            )
            return entries.store_entries(
                self.engine,
                problem.scoring,
                version.model_id,
                columns,
                answers.tolist(),
                words.tolist(),
            )


def client() -> MlflowClient:
    with store.without_retries():
        return store.connect()

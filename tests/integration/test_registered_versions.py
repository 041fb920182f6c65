"""What a registered version contains: model card, threshold, canary rows, model files."""

import json
import re
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model

import problems
from db.engine import database_url, open_database
from registry import versions
from tests.support.databases import query
from tests.support.project import MODEL
from tests.support.trained import TrainedStore
from training import dataset, promotion

BENCHMARK = "boosted_trees"


@pytest.fixture
def client(use_trained: TrainedStore) -> MlflowClient:
    mlflow.set_tracking_uri(use_trained.tracking_uri)
    return MlflowClient()


def versions_by_candidate(client: MlflowClient) -> dict[str, ModelVersion]:
    registered = client.search_model_versions(f"name = '{MODEL}'")
    return {version.tags["candidate"]: version for version in registered}


def test_the_best_version_by_cross_validation_is_champion_and_the_second_is_challenger(
    client: MlflowClient,
) -> None:
    may_serve = versions_by_candidate(client)
    runs = {name: client.get_run(str(v.run_id)).data for name, v in may_serve.items()}
    assert may_serve.pop(BENCHMARK).tags["benchmark"] == "yes"
    assert all("benchmark" not in version.tags for version in may_serve.values())
    best = may_serve[min(may_serve, key=lambda name: runs[name].metrics["cv_log_loss"])]
    champion = client.get_model_version_by_alias(MODEL, "champion")
    challenger = client.get_model_version_by_alias(MODEL, "challenger")
    assert champion.version == best.version
    assert {champion.version, challenger.version} == {v.version for v in may_serve.values()}


def test_a_version_is_saved_without_pickle_and_its_numbers_are_doubles(
    client: MlflowClient,
) -> None:
    for version in versions_by_candidate(client).values():
        uri = f"models:/{MODEL}/{version.version}"
        model = Model.load(uri)
        folder = Path(mlflow.artifacts.download_artifacts(uri))
        assert model.flavors["sklearn"]["serialization_format"] == "skops"
        assert not list(folder.rglob("*.pkl"))
        assert model.flavors["python_function"]["predict_fn"] == "predict_proba"
        assert model.signature
        kinds = {column.name: str(column.type) for column in model.signature.inputs}
        assert set(kinds.values()) == {"DataType.double", "DataType.string"}
        assert model.saved_input_example_info


def test_a_version_has_a_threshold_and_synthetic_canary_rows(
    client: MlflowClient, trained: TrainedStore
) -> None:
    problem = problems.load()
    with open_database(database_url(str(trained.database))) as engine:
        raw = dataset.read(engine, problem).raw
    real_rows = set(raw[problem.feature_names].itertuples(index=False, name=None))
    canaries = []
    for registered in versions_by_candidate(client).values():
        version = versions.resolve(client, f"models:/{MODEL}/{registered.version}")
        assert 0 < version.threshold < 1
        assert promotion.passes_canary_check(version, problem)
        assert not any(tuple(row) in real_rows for row in version.canary.rows)
        canaries.append(version.canary)
    assert not canaries[0].is_answered_by(canaries[1].probabilities)


def test_a_version_records_the_database_and_load_that_it_was_trained_on(
    client: MlflowClient, trained: TrainedStore
) -> None:
    number = versions_by_candidate(client)["logistic_plain"].version
    metadata = Model.load(f"models:/{MODEL}/{number}").metadata
    assert metadata
    ((database_id,),) = query(trained.database, "SELECT id FROM database_info")
    ((last_load,),) = query(trained.database, "SELECT max(id) FROM loads")
    assert metadata["trained_on"] == {"database_id": database_id, "last_load": last_load}
    assert json.dumps(metadata)  # plain data, readable without our code


def test_a_version_s_description_is_a_model_card(client: MlflowClient) -> None:
    for name, version in versions_by_candidate(client).items():
        card = str(version.description)
        metrics = versions.all_metrics(version)
        warning = "Benchmark, promoted only if it is allowed. " if name == BENCHMARK else ""
        assert card.startswith(f"{warning}ROC AUC {metrics['test_roc_auc']:.4f} (")
        assert card.splitlines()[0].endswith(name)
        run = versions.training_run(client, version)
        assert run
        training = run.data
        for text in (
            training.params["digest"],
            f"{int(training.params['rows_held_out']):,} rows are held out",
            "chosen by a hash of lead_uuid",
            "outcomes 2021-03-23 to 2021-04-2",
            f"from a probability of {float(version.tags['decision_threshold']):.4f} on",
            "by this rule: largest F1",
            "**Limits.**",
            "random order",
            "mlflow models serve -m models:/offer-click@champion",
        ):
            assert text in card, text
        low, high = (metrics[f"test_calibration_slope_{end}"] for end in ("low", "high"))
        slope = "is above 1" if low > 1 else "is below 1" if high < 1 else "contains 1"
        assert re.search(rf"\*\*Calibration\.\*\* The .*slope {slope}", card)
        for metric, title in (("roc_auc", "ROC AUC"), ("calibration_slope", "calibration slope")):
            value, low, high = (metrics[f"test_{metric}{end}"] for end in ("", "_low", "_high"))
            assert low < value < high
            assert f"| {title} | {value:.4f} ({low:.4f} to {high:.4f}) |" in card


def test_a_version_answers_the_example_request_of_its_model_card(client: MlflowClient) -> None:
    for version in versions_by_candidate(client).values():
        example = re.search(r"```json\n(.*)\n```", str(version.description), re.DOTALL)
        assert example
        rows = pd.DataFrame(json.loads(example[1])["dataframe_records"])
        served = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version.version}")
        assert 0 < served.predict(rows)[0, 1] < 1

"""Databases and MLflow stores with trained models, and copies of them."""

from dataclasses import dataclass
from pathlib import Path

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

import ingest
import promote
from db.engine import database_url
from registry import aliases, versions
from tests.support.databases import copy_sqlite, execute, query
from tests.support.project import MODEL
from tests.support.scripts import mlflow_run, run_main, run_script


@dataclass(frozen=True)
class TrainedStore:
    """A database, and the MLflow store with the versions trained on it, including a champion."""

    folder: Path
    database: Path
    tracking_uri: str
    output: str  # of the training

    @classmethod
    def in_folder(cls, folder: Path, output: str) -> "TrainedStore":
        """The store of `train_sample` or `train_loans` in this folder."""
        return cls(folder, folder / "loaded.db", f"sqlite:///{folder / 'mlflow.db'}", output)

    def copy_for_worker(self, folder: Path) -> "TrainedStore":
        """Copy the store and its database for one worker; the artifacts are shared."""
        database = copy_sqlite(self.database, folder / "loaded.db")
        store = copy_sqlite(self.folder / "mlflow.db", folder / "mlflow.db")
        return TrainedStore(folder, database, f"sqlite:///{store}", self.output)

    def copy_database(self, target: Path) -> Path:
        return copy_sqlite(self.database, target)

    def load_into(self, address: str, *flags: object) -> None:
        """Load the sample into an empty database, and give that the id of this one."""
        assert run_main(ingest.main, "--database", address, *flags) == 0
        ((database_id,),) = query(self.database, "SELECT id FROM database_info")
        execute(address, f"UPDATE database_info SET id = '{database_id}'")

    def copy_store(self, target: Path) -> "StoreCopy":
        uri = f"sqlite:///{copy_sqlite(self.folder / 'mlflow.db', target)}"
        return StoreCopy(uri, self.database, MlflowClient(uri))

    def version(self, alias: str = aliases.CHAMPION) -> versions.RegisteredVersion:
        """The version of the offer-click model that has the alias."""
        mlflow.set_tracking_uri(self.tracking_uri)
        return versions.resolve(MlflowClient(), f"models:/{MODEL}@{alias}")

    @property
    def champion_id(self) -> str:
        return self.version().model_id

    def scoring_runs(self, database: str) -> list[Run]:
        """The runs of MLflow's experiment "scoring" for this database, the newest first."""
        client = MlflowClient(self.tracking_uri)
        experiment = client.get_experiment_by_name("scoring")
        assert experiment
        address = database_url(database).render_as_string(hide_password=True)
        return [
            run
            for run in client.search_runs([experiment.experiment_id])
            if run.data.params["database"] == address
        ]


def train_sample(folder: Path) -> dict[str, str]:
    """Load the sample of offers, train and promote with `mlflow run`."""
    store, database = f"sqlite:///{folder / 'mlflow.db'}", folder / "loaded.db"
    return {"output": mlflow_run(folder, store, database=database)}


def train_loans(folder: Path) -> dict[str, str]:
    """Load the sample of loans, train and promote with one script after the other."""
    flags = ("--problem", "loan_risk", "--database", folder / "loaded.db")
    outputs = []
    for script, *more in (("ingest.py",), ("train.py", "--repeats", 2), ("promote.py",)):
        process = run_script(script, *flags, *more, cwd=folder)
        assert process.returncode == 0, process.stderr[-3000:]
        outputs.append(process.stdout)
    return {"output": "".join(outputs)}


@dataclass(frozen=True)
class StoreCopy:
    """A copy of a trained store in which a test may move aliases; the database is shared."""

    uri: str
    database: Path
    client: MlflowClient

    def promote(self, *flags: object) -> int:
        return run_main(promote.main, "--database", self.database, *flags)

    def alias(self, name: str) -> str | None:
        return aliases.version_number(self.client, MODEL, name)

    def set_alias(self, alias: str, number: str) -> None:
        self.client.set_registered_model_alias(MODEL, alias, number)

    def promotion_runs(self) -> list[Run]:
        experiment = self.client.get_experiment_by_name("promotions")
        assert experiment
        return list(self.client.search_runs([experiment.experiment_id]))

    def register_broken_copy(self, number: str, folder: Path, *, loads: bool) -> str:
        """Register a copy of a version that answers incorrectly, or that does not even load."""
        files = folder / "broken"
        mlflow.set_tracking_uri(self.uri)
        mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{number}", dst_path=str(files))
        if loads:
            mlmodel = files / "MLmodel"
            content = yaml.safe_load(mlmodel.read_text())
            content["metadata"]["canary"]["probabilities"][0] += 1e-6
            mlmodel.write_text(yaml.safe_dump(content))
        else:
            model = files / "model.skops"
            model.write_bytes(model.read_bytes()[:1000])
        return str(self.client.create_model_version(MODEL, str(files)).version)

"""Paths, names and sizes of the project and its samples."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq

PROJECT = Path(__file__).parents[2]
MODEL = "offer-click"
SAMPLE = PROJECT / "data" / "offer_click"
SAMPLE_OFFERS = pq.read_metadata(SAMPLE / "ds_offers.parquet.gzip").num_rows
LOAN_SAMPLE = PROJECT / "data" / "loan_risk"
SMALL_LEADS = 300
# the environment variables that configure our scripts, and those that MLflow sets in this process
CONFIGURATION_VARIABLES = (
    "DATABASE_URL",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_ID",
    "ENDPOINT_TOKEN",
)


def load_generator(problem: str) -> ModuleType:
    """Import the generator of a problem's sample, data/<problem>/generate.py."""
    name = f"generate_{problem}"
    if name not in sys.modules:
        path = PROJECT / "data" / problem / "generate.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]

"""The fork server imports this module, and with it all that the scripts import, which is slow.

Threads and open databases do not survive a fork, so this module must not create any.
"""

import threading

import matplotlib.figure
import mlflow.pyfunc
import mlflow.pyfunc.scoring_server
import mlflow.sklearn
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store
import psycopg
import rich.progress
import sklearn.ensemble
import sklearn.linear_model
import sklearn.model_selection
import skops.io
import uvicorn.supervisors

import problems.loan_risk
import problems.offer_click
import scoring.scorer
import serving.application
import training.log_and_register
import training.search

__all__ = [
    "matplotlib", "mlflow", "problems", "psycopg", "rich", "scoring", "serving",
    "sklearn", "skops", "training", "uvicorn",
]  # fmt: skip

assert threading.active_count() == 1, threading.enumerate()

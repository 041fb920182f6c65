"""Benchmark of the pipeline of the click model, compared with the one that it replaced.

The former pipeline is `binned_pairs`. Both are fitted on all training rows, and predict the same
rows: in this process, and served by `mlflow models serve`. A model that only knows the base rate
shows what everything else takes; that is subtracted.
"""

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import mlflow
import requests
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks.figures import PROBLEM, BenchmarkSetup, Figure
from benchmarks.processes import measure_alternately, median_ratio, spread
from db.engine import database_url, open_database
from problems.pipelines import binned_pairs
from registry import model_files, registration
from scoring.local_server import serve_model
from training import dataset
from training.dataset import Dataset
from training.fold import ignore_expected_warnings

MANY = 40_000
CANDIDATE = "logistic_engineered"
CALLS = {1: 200, MANY: 3}  # per measurement; the fastest one counts


def pipeline_time(bench: BenchmarkSetup) -> Figure:
    with open_database(database_url(str(bench.folder / "full.db"))) as engine:
        data = dataset.read(engine, PROBLEM)
    models = fitted_models(data)
    frames = {count: data.test.features.head(count) for count in CALLS}
    ratios, details = [], []
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(serve(model)) for model in models]
        for count, frame in frames.items():
            values = frame.astype(object).where(frame.notna(), None)
            body = {"dataframe_split": values.to_dict(orient="split")}
            in_process = [partial(model.predict_proba, frame) for model in models]
            over_rest = [partial(post, url, body) for url in urls]
            for place, calls in (("in process", in_process), ("served", over_rest)):
                ours, former, none = measure_alternately(
                    *(partial(fastest, call, CALLS[count]) for call in calls)
                )
                ours = [a - b for a, b in zip(ours, none, strict=True)]
                former = [a - b for a, b in zip(former, none, strict=True)]
                ratios.append(median_ratio(ours, former))
                times = f"{spread(ours)} ms, before {spread(former)} ms"
                details.append(f"{len(frame):,} rows {place}: {times}, {ratios[-1]:.2f} times")
    one, many = max(ratios[:2]), max(ratios[2:])
    return Figure(
        f"Time of the pipeline of {CANDIDATE}, compared with the bins and products that it "
        "replaced, for one row and for many; the worse of in process and served by MLflow",
        "at most 0.7 times for one row, and 0.5 times for many",
        f"{one:.2f} and {many:.2f}", one <= 0.7 and many <= 0.5, "; ".join(details),
    )  # fmt: skip


def fitted_models(data: Dataset) -> list[Any]:
    """The candidate, the pipeline that it replaced, and a model that knows only the base rate."""
    (candidate,) = (c for c in PROBLEM.candidates(data.categories, 0) if c.name == CANDIDATE)
    former = binned_pairs(
        PROBLEM.numbers, 150, 10, data.categories, LogisticRegression(C=0.03, max_iter=1_000)
    )
    models = [clone(candidate.pipeline), former, DummyClassifier(strategy="prior")]
    with ignore_expected_warnings():
        return [model.fit(data.train.features, data.train.label) for model in models]


@contextlib.contextmanager
def serve(model: Any) -> Iterator[str]:
    info = mlflow.sklearn.log_model(
        model,
        name="benchmark",
        signature=registration.signature(PROBLEM),
        pyfunc_predict_fn="predict_proba",
        skops_trusted_types=model_files.types_to_trust(model),
    )
    with serve_model(info.model_uri) as endpoint:
        yield endpoint


def post(endpoint: str, body: Any) -> None:
    requests.post(f"{endpoint}/invocations", json=body, timeout=120).raise_for_status()


def fastest(call: partial[Any], calls: int) -> float:
    """The milliseconds of the fastest of several calls, which other work disturbs least."""
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds) * 1000

"""Every loan is scored once, including running loans, with its outcome label and `trained_on`."""

from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from registry import versions
from tests.support.databases import query
from tests.support.model_server import model_server
from tests.support.project import LOAN_SAMPLE
from tests.support.scoring import score
from tests.support.source_files import LOANS, load_loans
from tests.support.trained import TrainedStore

CHAMPION = "models:/loan-risk@champion"


@pytest.fixture
def scored(
    loans_trained: TrainedStore, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A database with the sample and three unlabeled loans, all of them scored."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", loans_trained.tracking_uri)
    loans_trained.load_into(database, "--problem", "loan_risk")
    running = pd.read_csv(LOAN_SAMPLE / LOANS).head(3).drop(columns="is_late")
    running.assign(loan_amnt=777).to_csv(tmp_path / LOANS, index=False)
    assert load_loans(tmp_path, database, "--add") == 0
    with model_server(loans_trained.tracking_uri, CHAMPION) as url:
        assert score(database, url, "--problem", "loan_risk") == 0
    return database


def test_every_loan_is_scored_once_including_running_loans(
    scored: str, loans_trained: TrainedStore
) -> None:
    champion = versions.resolve(MlflowClient(loans_trained.tracking_uri), CHAMPION)
    rows = query(
        scored,
        "SELECT count(*), count(DISTINCT r.loan_key), min(model_id), max(model_id) "
        "FROM results_risk r JOIN loans USING (loan_key)",
    )
    assert rows == [(10_003, 10_003, champion.model_id, champion.model_id)]
    ((least_of_risky, most_of_safe),) = query(
        scored,
        "SELECT min(CASE risk WHEN 'Risk' THEN late_probability END), "
        "max(CASE risk WHEN 'No risk' THEN late_probability END) FROM results_risk",
    )
    assert most_of_safe < champion.threshold <= least_of_risky
    trained_on = "SELECT DISTINCT trained_on FROM results_risk WHERE loan_amnt = 777"
    assert query(scored, trained_on) == [(0,)]
    ((share,),) = query(
        scored,
        "SELECT avg(CASE WHEN trained_on THEN 1.0 ELSE 0.0 END) FROM results_risk "
        "WHERE loan_amnt <> 777",
    )
    assert float(share) == pytest.approx(0.75, abs=0.02)

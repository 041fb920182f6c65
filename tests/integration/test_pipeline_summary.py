"""The summary of pipeline.py compares all candidates with the base rate."""

import re

import pytest

import pipeline
import problems
from db.engine import database_url, open_database


def test_the_summary_compares_all_candidates_with_the_base_rate(
    small_database: str, small_offers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_database(database_url(small_database)) as engine:
        pipeline.print_summary(engine, problems.load())
    output = capsys.readouterr().out
    header = output.partition("─")[0]
    for column in ("logistic_plain", "logistic_engineered", "boosted_trees", "base rate"):
        assert column in " ".join(header.split()), column
    assert re.search(r"ROC AUC( +0\.\d{4}){4}", output)
    assert re.search(rf"rows pending +{small_offers:,}", output)
    assert max(map(len, output.splitlines())) <= 80

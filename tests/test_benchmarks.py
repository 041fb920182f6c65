"""The baselines of benchmarks/ do the work that they are there to do."""

import itertools
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pyarrow.parquet as pq
import pytest

import problems
from benchmarks import (
    bare_load,
    in_process,
    original,
    original_search,
    our_search,
    processes,
)
from db.engine import database_url, opened
from modeling import dataset
from tests.helpers import (
    PROJECT,
    SAMPLE,
    Trained,
    assert_every_offer_once,
    champion_id,
    query,
    score,
)


def test_the_work_in_one_process_stores_what_the_client_stores(
    loaded: str, trained: Trained, champion: str, tmp_path: Path
) -> None:
    other = trained.copy_database(tmp_path / "other.db")
    in_process.main(loaded, "models:/offer-click@champion")
    assert_every_offer_once(loaded, champion_id(trained))
    assert score(other, champion) == 0
    same = "SELECT offer_id, model_id, apr, credit_type, clicked, trained_on FROM results_clicked"
    assert sorted(query(loaded, same)) == sorted(query(other, same))


def test_the_original_way_scores_and_stores_a_row_a_request(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    original.save_model("models:/offer-click@champion", tmp_path)
    leads = pq.read_table(SAMPLE / "ds_leads.parquet.gzip").slice(0, 20).to_pandas()
    leads.assign(apr=19.99).to_parquet(tmp_path / "rows.parquet")
    original.main(tmp_path, 20)
    assert float(capsys.readouterr().out) > 0
    assert query(tmp_path / "original.db", "SELECT count(*) FROM results") == [(21,)]


def test_the_bare_load_loads_every_row(tmp_path: Path) -> None:
    bare_load.main(SAMPLE, str(tmp_path / "bare.db"))
    with closing(sqlite3.connect(tmp_path / "bare.db")) as connection:
        for path in SAMPLE.glob("*.parquet.gzip"):
            table = path.name.partition(".")[0]
            (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert rows == pq.read_metadata(path).num_rows


def test_processes_are_measured_in_turn_and_failures_are_told() -> None:
    taken = processes.run("-c", "print('x' * 3)")
    assert taken.output == "xxx\n"
    assert taken.wall > 0 < taken.peak
    child = "held = b'x' * 150_000_000; import time; time.sleep(1)"
    call = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    family = processes.run("-c", f"held = b'x' * 150_000_000; {call}", watched=True)
    assert family.peak < 200 < 290 < family.together
    with pytest.raises(RuntimeError, match="no such thing"):
        processes.run("-c", "raise SystemExit('no such thing')")
    counted = itertools.count()
    measured = processes.in_turn(*[lambda: float(next(counted))] * 2, runs=2)
    assert measured == [[2.0, 4.0], [3.0, 5.0]]  # the first turn does not count
    assert processes.ratio(*measured) == (2 / 3 + 4 / 5) / 2


def test_both_searches_of_figure_six_search(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    our_search.main(trained.database)
    seconds, points, rows = capsys.readouterr().out.split()
    assert float(seconds) > 0
    assert int(points) >= 20
    assert 30_000 < int(rows) < 40_000  # all training rows
    with opened(database_url(str(trained.database))) as engine:
        sample = dataset.read(engine, problems.load()).raw
    found = original_search.search(sample, problems.load().feature_names, -1)
    assert len(found.cv_results_["params"]) == 15
    assert found.n_splits_ == 30


def test_the_figures_in_readme_are_those_of_the_results() -> None:
    results = (PROJECT / "benchmarks" / "RESULTS.md").read_text()
    section = re.search(r"## How fast it is\n(.*?)\n## ", (PROJECT / "README.md").read_text(), re.S)
    assert section
    figures = re.findall(r"\*\*([\d.,]+)", section[1])
    assert len(figures) == 8
    found = " ".join(re.findall(r"\*\*([^*]+)\*\*", results))
    for figure in figures:
        assert figure in found, figure

"""The baselines in benchmarks/ do the work that they are meant to do."""

import itertools
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType

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
from tests.support.databases import (
    assert_every_offer_scored_once,
    copy_sqlite,
    execute,
    query,
)
from tests.support.datasets import generated_offers
from tests.support.project import PROJECT, SAMPLE
from tests.support.scoring import score
from tests.support.source_files import load_source
from tests.support.threads import limit_to_one_thread
from tests.support.trained import TrainedStore

CHAMPION = "models:/offer-click@champion"


def test_the_work_in_one_process_stores_what_the_client_stores(
    small_databases: str,
    small_template: Path,
    small_offers: int,
    trained: TrainedStore,
    champion: str,
    tmp_path: Path,
) -> None:
    other = copy_sqlite(small_template, tmp_path / "other.db")
    ((identity,),) = query(trained.database, "SELECT id FROM database_info")
    for database in (small_databases, other):  # so that they count as the training data
        execute(database, f"UPDATE database_info SET id = '{identity}'")
    in_process.main(small_databases, CHAMPION)
    assert_every_offer_scored_once(small_databases, trained.champion_id, small_offers)
    assert score(other, champion) == 0
    same = "SELECT offer_id, model_id, apr, credit_type, clicked, trained_on FROM results_clicked"
    assert sorted(query(small_databases, same)) == sorted(query(other, same))


def test_the_original_way_scores_and_stores_a_row_a_request(
    trained: TrainedStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow.set_tracking_uri(trained.tracking_uri)
    original.save_model(CHAMPION, tmp_path)
    leads = pq.read_table(SAMPLE / "ds_leads.parquet.gzip").slice(0, 20).to_pandas()
    leads.assign(apr=19.99).to_parquet(tmp_path / "rows.parquet")
    original.main(tmp_path, 20)
    assert float(capsys.readouterr().out) > 0
    assert query(tmp_path / "original.db", "SELECT count(*) FROM results") == [(21,)]


def test_the_bare_load_loads_every_row(small_source: Path, tmp_path: Path) -> None:
    bare_load.main(small_source, str(tmp_path / "bare.db"))
    with closing(sqlite3.connect(tmp_path / "bare.db")) as connection:
        for path in small_source.glob("*.parquet.gzip"):
            table = path.name.partition(".")[0]
            (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert rows == pq.read_metadata(path).num_rows


def test_a_process_is_measured_with_its_family_and_a_failure_is_raised() -> None:
    usage = processes.run("-c", "print('x' * 3)")
    assert usage.output == "xxx\n"
    assert usage.wall > 0 < usage.peak
    # both processes hold memory while it is sampled ten times per second
    child = "held = b'x' * 150_000_000; import time; time.sleep(2)"
    call = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    family = processes.run("-c", f"held = b'x' * 150_000_000; {call}", measure_family=True)
    assert family.peak < 200 < 290 < family.family_peak
    with pytest.raises(RuntimeError, match="no such thing"):
        processes.run("-c", "raise SystemExit('no such thing')")


def test_measures_take_turns_and_the_first_turn_does_not_count() -> None:
    counted = itertools.count()
    measured = processes.measure_alternately(*[lambda: float(next(counted))] * 2, runs=2)
    assert measured == [[2.0, 4.0], [3.0, 5.0]]
    assert processes.median_ratio(*measured) == (2 / 3 + 4 / 5) / 2


def test_our_search_searches_all_training_rows(
    generator: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator.write(tmp_path / "source", leads=600, seed=4)
    database = tmp_path / "offers.db"
    assert load_source(tmp_path / "source", str(database)) == 0
    capsys.readouterr()
    our_search.main(database)
    seconds, points, rows = capsys.readouterr().out.split()
    assert float(seconds) > 0
    assert int(points) >= 20
    assert int(rows) == len(generated_offers(600, seed=4).train)


def test_the_original_search_has_15_grid_points_and_30_splits() -> None:
    data = generated_offers(600, seed=4)
    with limit_to_one_thread():
        grid = original_search.search(data.raw, problems.load().feature_names, 1)
    assert len(grid.cv_results_["params"]) == 15
    assert grid.n_splits_ == 30


def test_the_figures_in_readme_are_those_of_the_results() -> None:
    results = (PROJECT / "benchmarks" / "RESULTS.md").read_text()
    section = re.search(r"## Performance\n(.*?)\n## ", (PROJECT / "README.md").read_text(), re.S)
    assert section
    figures = re.findall(r"\*\*([\d.,]+)", section[1])
    assert len(figures) == 8
    bold_in_results = " ".join(re.findall(r"\*\*([^*]+)\*\*", results))
    for figure in figures:
        assert figure in bold_in_results, figure

"""The notebook examples/explore.ipynb runs on trained models; its stored outputs are clean."""

import json
import re
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tests.support.notebook import NOTEBOOK, execute, read_notebook
from tests.support.project import SAMPLE_OFFERS
from tests.support.trained import TrainedStore

# appended to the notebook: prints what its cells have computed
RESULTS = """
import json
json_text = json.dumps({
    "offers": int(tables.loc["offers", "row_count"]),
    "offers_by_credit": int(by_credit["offers"].sum()),
    "candidates": sorted(comparison.index),
    "logged_loss": all_metrics["cv_log_loss"],
    "champion_losses": losses["champion"].tolist(),
    "candidate_losses": losses["bins"].tolist(),
    "probabilities": probabilities.tolist(),
})
print(json_text)
"""


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]


def test_all_cells_run_on_trained_models(
    use_trained: TrainedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", str(use_trained.database))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):  # not the user's own
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    notebook = read_notebook()
    notebook.cells.append(new_code_cell(RESULTS))
    execute(notebook, NOTEBOOK.parent)  # where Jupyter would start its kernel

    streams = [output for output in outputs(notebook) if output.output_type == "stream"]
    assert [output.text for output in streams if output.name == "stderr"] == []
    results = json.loads(streams[-1].text)
    assert results["offers"] == results["offers_by_credit"] == SAMPLE_OFFERS
    assert results["candidates"] == ["boosted_trees", "logistic_engineered", "logistic_plain"]
    champion, candidate = results["champion_losses"], results["candidate_losses"]
    assert len(champion) == len(candidate) == 5
    # the folds are those of train.py
    assert sum(champion) / 5 == pytest.approx(results["logged_loss"], rel=1e-3)
    assert sum(candidate) / 5 == pytest.approx(results["logged_loss"], rel=0.1)
    assert len(results["probabilities"]) == 2
    assert all(0 < probability < 1 for probability in results["probabilities"])


def test_the_stored_outputs_are_complete_and_name_no_machine() -> None:
    notebook = read_notebook()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in notebook.cells if cell.metadata] == []
    assert {output.output_type for output in outputs(notebook)} == {
        "display_data",
        "execute_result",
        "stream",
    }
    assert [o.text for o in outputs(notebook) if o.get("name") == "stderr"] == []
    texts = [o.text if "text" in o else o.data["text/plain"] for o in outputs(notebook)]
    paths_and_dates = r"/(home|root|tmp|Users|work)/|\d{4}-\d\d-\d\d"
    assert [text for text in texts if re.search(paths_and_dates, text)] == []
    assert NOTEBOOK.stat().st_size < 100_000

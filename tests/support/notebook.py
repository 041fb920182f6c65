"""Execute examples/explore.ipynb.

After `make run`, `python -m tests.support.notebook` updates the outputs that the file contains.
"""

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.support.project import PROJECT

NOTEBOOK = PROJECT / "examples" / "explore.ipynb"
CELL_SECONDS = 240


def read_notebook() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Execute all cells in a kernel that starts in this folder, and store their outputs.

    Raises:
        CellExecutionError: a cell has raised an error.
    """
    NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        record_timing=False,  # no times in the file
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    notebook.metadata["language_info"] = {"name": "python"}  # without the version of this Python


if __name__ == "__main__":
    updated = read_notebook()
    execute(updated, NOTEBOOK.parent)
    nbformat.write(updated, NOTEBOOK)

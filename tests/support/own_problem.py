"""A user's problem that is not part of the project: its folder and its table."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

from tests.support.project import PROJECT

OWN_PROBLEM = PROJECT / "tests" / "data" / "third_problem"
GUIDE = PROJECT / "docs" / "own-problem.md"
MEASURES = [str(name) for name in load_breast_cancer().feature_names]


def copy_problem(folder: Path) -> Path:
    """Copy the problem of biopsies into a folder; returns its path."""
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(OWN_PROBLEM, folder / "my problem", ignore=ignore))


def biopsies() -> pd.DataFrame:
    """The rows of its table; the keys contain spaces, a slash and an umlaut."""
    data = load_breast_cancer(as_frame=True)
    frame = data.data.assign(malignant=1 - data.target)
    frame.insert(0, "biopsy", [f"Gewebe {number:03d}/ä" for number in range(len(frame))])
    return frame


def replace_text(file: Path, old: str, new: str) -> None:
    """Replace text that must occur in a file."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def write_guide_example(folder: Path, **renamed: str) -> Path:
    """Write the problem of docs/own-problem.md with the given names replaced, and its table."""
    code = "\0".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.S))
    for old, new in renamed.items():
        assert old in code
        code = re.sub(rf"\b{old}\b", new, code)
    declaration, candidates = code.split("\0")
    problem = folder / "withdrawals"
    problem.mkdir(parents=True)
    (problem / "__init__.py").write_text(declaration)
    (problem / "candidates.py").write_text(candidates)
    rng = np.random.default_rng(0)
    channel = rng.choice(["web", "branch", ""], 400)
    outcome = np.where(rng.random(400) < np.where(channel == "web", 0.6, 0.2), "1", "0")
    table = {
        renamed.get("application_id", "application_id"): [f"A-{n}" for n in range(400)],
        "amount": rng.integers(1_000, 40_000, 400),
        "channel": channel,
        "withdrawn": np.where(
            np.arange(400) < 40, "", outcome
        ),  # the first 40 outcomes are not known yet
    }
    pd.DataFrame(table).to_csv(folder / "applications.csv", index=False)
    return problem

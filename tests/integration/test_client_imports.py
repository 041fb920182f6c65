"""score_client.py starts quickly: it imports no library that only training needs."""

import subprocess
import sys

from tests.support.project import PROJECT


def test_the_scoring_client_imports_no_scikit_learn() -> None:
    code = "import score_client, sys; print([m for m in sys.modules if m.startswith('sklearn')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

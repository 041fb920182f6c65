"""Concurrent promote.py processes: the history contains every move of the champion."""

from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from registry import promotions
from tests.support.project import MODEL
from tests.support.scripts import start_script
from tests.support.trained import StoreCopy


def test_history_is_complete_after_concurrent_promotions(store: StoreCopy, tmp_path: Path) -> None:
    before = len(promotions.history(store.client, MODEL))
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                start_script(
                    "promote.py", "--to", number, cwd=tmp_path, MLFLOW_TRACKING_URI=store.uri
                )
            )
            for number in ("1", "3", "1", "2", "3", "1")
        ]
        outputs = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), outputs
    moves = [output for output, _ in outputs if "already" not in output]
    decisions = promotions.history(store.client, MODEL)
    assert len(decisions) == before + len(moves)
    assert {decision.outcome for decision in decisions[: len(moves)]} == {"moved by hand"}
    for later, earlier in pairwise(decisions):
        assert later.from_version == earlier.to_version  # no move between them is missing
    assert decisions[0].to_version == store.alias("champion")
    assert decisions[0].from_version == store.alias("previous")

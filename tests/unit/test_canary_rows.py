"""The order in which canary rows are sent, and which answers they accept."""

from collections.abc import Callable

import numpy as np
import pytest

from registry.canary import ROWS_PER_ROUND, CanaryRows

CANARY = CanaryRows([[number] for number in range(6)], [0.3, 0.0, 0.9, 0.1, 0.5, 0.1])
COUNTS = [0, 1, 2, 500, 5 * ROWS_PER_ROUND]
DISORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "reversed": lambda answers: answers[::-1],
    "shifted forward": lambda answers: np.roll(answers, 1),
    "shifted backward": lambda answers: np.roll(answers, -1),
    "all like the first": lambda answers: np.full_like(answers, answers[0]),
    "first half repeated": lambda answers: np.resize(answers[: len(answers) // 2], len(answers)),
}


@pytest.mark.parametrize("rows", COUNTS)
@pytest.mark.parametrize("canaries", [1, 2, 6])
def test_rows_keep_their_order_and_are_surrounded_by_canary_rows(rows: int, canaries: int) -> None:
    order = CanaryRows(CANARY.rows[:canaries], CANARY.probabilities[:canaries]).sending_order(rows)
    assert order[order >= canaries].tolist() == list(range(canaries, canaries + rows))
    assert set(order[order < canaries].tolist()) == set(range(canaries))
    assert max(order[0], order[-1]) < canaries
    assert len(order) - rows <= max(2, canaries * (1 + rows / ROWS_PER_ROUND))


@pytest.mark.parametrize("rows", COUNTS)
@pytest.mark.parametrize("disorder", DISORDERS)
def test_answers_in_a_wrong_order_are_not_accepted(rows: int, disorder: str) -> None:
    order = CANARY.sending_order(rows)
    random = np.random.default_rng(0).random(rows)
    correct = np.array([*CANARY.probabilities, *random])[order]
    is_canary = order < 6
    sent = order[is_canary].tolist()
    assert CANARY.is_answered_by(correct[is_canary].tolist(), sent)
    assert not CANARY.is_answered_by(DISORDERS[disorder](correct)[is_canary].tolist(), sent)


def test_canary_rows_are_at_different_positions_in_each_request() -> None:
    assert len({tuple(np.flatnonzero(CANARY.sending_order(500) < 6)) for _ in range(5)}) == 5

"""The candidates of the project's own problems."""

import pytest

import problems


@pytest.mark.parametrize("name", problems.names())
def test_every_candidate_uses_the_seed(name: str) -> None:
    problem = problems.load(name)
    categories = {text: ["a", "b"] for text in problem.texts}
    for seed in (0, 7):
        for candidate in problem.candidates(categories, seed):
            assert candidate.pipeline[-1].random_state == seed, candidate.name

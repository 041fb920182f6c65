"""One candidate with a small grid, which beats the base rate even on a few leads."""

from sklearn.linear_model import LogisticRegression

from problems.pipelines import Categories, binned_pairs
from problems.spec import Candidate


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    model = LogisticRegression(solver="liblinear", random_state=seed)
    numbers = ["requested", "annual_income", "apr"]
    return [
        Candidate(
            "logistic",
            "binned numbers, one-hot categories, and the products of all pairs",
            binned_pairs(numbers, fine=12, coarse=6, categories=categories, model=model),
            {"model__C": [0.03, 0.1]},
        )
    ]

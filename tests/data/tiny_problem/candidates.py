"""One candidate with a small grid, which even a few leads make better than the base rate."""

from sklearn.linear_model import LogisticRegression

from problems.pipelines import Categories, binned_pairs
from problems.spec import Candidate


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    model = LogisticRegression(solver="liblinear", random_state=seed)
    numbers = ["requested", "annual_income", "apr"]
    return [
        Candidate(
            "logistic",
            "numbers in bins, one column a category, and their products by two",
            binned_pairs(numbers, fine=12, coarse=6, categories=categories, model=model),
            {"model__C": [0.03, 0.1]},
        )
    ]

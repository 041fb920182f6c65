"""The candidates of the test problem: a linear model, and boosted trees."""

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from problems.pipelines import Categories, pipeline, scaled_logarithms
from problems.spec import Candidate

MEASURES = [str(name) for name in load_breast_cancer().feature_names]


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    trees = HistGradientBoostingClassifier(max_iter=30, random_state=seed)
    return [
        Candidate(
            "logistic",
            "logarithms of the measures",
            pipeline(
                MEASURES, scaled_logarithms(), categories, LogisticRegression(random_state=seed)
            ),
            {"model__C": [0.1, 1.0]},
        ),
        Candidate(
            "boosted_trees",
            "the measures as they are",
            pipeline(MEASURES, "passthrough", categories, trees),
            {"model__max_leaf_nodes": [7, 15]},
        ),
    ]

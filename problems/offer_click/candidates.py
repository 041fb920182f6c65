"""Candidates for offer clicks: two logistic regressions, and boosted trees as a yardstick.

What people click depends on the rate in steps and spikes, and on how it goes with the amount and
with who asks. Straight lines do not follow that; bins and their products do, almost as far as
trees, and are still a logistic regression: one number for each pair, quick to read and to answer.
"""

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from problems.pipelines import Categories, binned_pairs, ordinal_codes, pipeline
from problems.spec import Candidate

NUMBERS = ["requested", "annual_income", "apr"]


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    return [_plain(categories, seed), _engineered(categories, seed), _trees(categories, seed)]


def _plain(categories: Categories, seed: int) -> Candidate:
    medians = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers = Pipeline([("impute", medians), ("scale", StandardScaler())])
    # no class weights: they would spoil the probabilities; rows are many and columns few, which
    # newton-cholesky is made for
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8, random_state=seed)
    return Candidate(
        name="logistic_plain",
        description="the columns as they are, categories as numbers: the model this replaces",
        pipeline=pipeline(
            NUMBERS, numbers, categories, model, text_encoder=ordinal_codes(categories)
        ),
        grid={
            "model__C": [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 1.0, 10.0, 100.0],
        },
    )


def _engineered(categories: Categories, seed: int) -> Candidate:
    # the default tolerance stops early where clicks are rare, and more so the nearer it starts
    model = LogisticRegression(tol=2e-5, max_iter=1_000, random_state=seed)
    return Candidate(
        name="logistic_engineered",
        description="fine and coarse bins of the amounts and the rate, one column a category, and "
        "all their products by two",
        pipeline=binned_pairs(NUMBERS, fine=150, coarse=10, categories=categories, model=model),
        grid={
            "columns__fine__bins__n_bins": [60, 150],
            "model__C": [0.003, 0.01, 0.03, 0.06],
        },
    )


def _trees(categories: Categories, seed: int) -> Candidate:
    # its own handling of nulls fails on a column that has nothing else; no amount is below 0
    nulls = SimpleImputer(strategy="constant", fill_value=-1.0)
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=seed)
    return Candidate(
        name="boosted_trees",
        description="gradient-boosted trees: the yardstick that shows what is left to learn",
        pipeline=pipeline(
            NUMBERS, nulls, categories, model, text_encoder=ordinal_codes(categories)
        ),
        grid={
            "model__max_iter": [50, 100, 200],
            "model__l2_regularization": [0.0, 10.0],
        },
        is_benchmark=True,
    )

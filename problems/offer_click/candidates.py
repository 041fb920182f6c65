"""Candidates for offer clicks: two logistic regressions, and boosted trees as a benchmark model.

The effect of the rate on clicks has steps and spikes, and depends on the amount and the applicant.
Bins and their products capture that almost as well as trees do, unlike straight lines. The result
is still a logistic regression: easy to read, and fast.
"""

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from problems.pipelines import Categories, binned_pairs, medians, ordinal_codes, pipeline
from problems.spec import Candidate

NUMBERS = ["requested", "annual_income", "apr"]


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    return [_plain(categories, seed), _engineered(categories, seed), _trees(categories, seed)]


def _plain(categories: Categories, seed: int) -> Candidate:
    numbers = Pipeline([("impute", medians()), ("scale", StandardScaler())])
    # class weights would distort the probabilities; newton-cholesky suits many rows and few columns
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8, random_state=seed)
    return Candidate(
        name="logistic_plain",
        description="the former model: the columns as they are, categories as numbers",
        pipeline=pipeline(NUMBERS, numbers, categories, model, ordinal_codes(categories)),
        grid={"model__C": [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 1.0, 10.0, 100.0]},
    )


def _engineered(categories: Categories, seed: int) -> Candidate:
    # with rare clicks, the default tolerance stops too early, above all after a warm start
    model = LogisticRegression(tol=2e-5, max_iter=1_000, random_state=seed)
    return Candidate(
        name="logistic_engineered",
        description="fine and coarse bins of the amounts and the rate, one-hot categories, and the "
        "products of all pairs",
        pipeline=binned_pairs(NUMBERS, fine=150, coarse=10, categories=categories, model=model),
        grid={"columns__fine__bins__n_bins": [60, 150], "model__C": [0.003, 0.01, 0.03, 0.06]},
    )


def _trees(categories: Categories, seed: int) -> Candidate:
    # the trees cannot handle a column with only nulls; -1 is no valid amount
    nulls = SimpleImputer(strategy="constant", fill_value=-1.0)
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=seed)
    return Candidate(
        name="boosted_trees",
        description="gradient-boosted trees: a benchmark model that shows what is left to learn",
        pipeline=pipeline(NUMBERS, nulls, categories, model, ordinal_codes(categories)),
        grid={"model__max_iter": [50, 100, 200], "model__l2_regularization": [0.0, 10.0]},
        is_benchmark=True,
    )

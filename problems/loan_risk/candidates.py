"""Candidates for late loans: the former random forest, and a logistic regression.

One loan in seventy is late, so fully grown trees memorize the late loans and predict 0 for nearly
all others. A strongly regularized logistic regression ranks better, is calibrated, and scores a
single row in a fraction of the time. On bins, it is a scorecard as lenders know it: each interval
and each category adds to the log odds.
"""

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from problems.pipelines import Categories, bins, medians, one_hot, pipeline
from problems.spec import Candidate

NUMBERS = ["loan_amnt", "int_rate", "annual_inc", "revol_util", "dti", "delinq_2yrs"]
MAX_LEAVES = 1_000  # per tree: 100 trees stay below 20 MB for any number of loans


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    return [_forest(categories, seed), _logistic(categories, seed)]


def _forest(categories: Categories, seed: int) -> Candidate:
    # no threads: the search uses all cores, and threads slow down the scoring of a single row
    forest = RandomForestClassifier(max_leaf_nodes=MAX_LEAVES, n_jobs=None, random_state=seed)
    return Candidate(
        name="random_forest_given",
        description="the former model: imputed medians, one-hot categories, fully grown trees",
        pipeline=pipeline(NUMBERS, medians(), categories, forest),
        grid={"model__n_estimators": [10, 30, 100]},
    )


def _logistic(categories: Categories, seed: int) -> Candidate:
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8, random_state=seed)
    texts = one_hot(categories, sparse=True)
    return Candidate(
        name="logistic_binned",
        description="bins of the numbers, one-hot categories",
        pipeline=pipeline(NUMBERS, bins(8), categories, model, texts),
        grid={
            "columns__numbers__bins__n_bins": [4, 8, 16],
            "model__C": [0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
        },
    )

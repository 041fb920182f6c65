"""Candidates for late loans: the random forest that this replaces, and a logistic regression.

With one late loan in seventy, full-grown trees remember the late ones, and their votes are 0 for
nearly all others. A strongly regularised logistic regression ranks better, its probabilities are
honest, and it answers a single row in a fraction of the time.
"""

from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression

from problems.pipelines import Categories, pipeline, scaled_logarithms
from problems.spec import Candidate

NUMBERS = ["loan_amnt", "int_rate", "annual_inc", "revol_util", "dti", "delinq_2yrs"]
MOST_LEAVES = 1_000  # a tree: keeps 100 of them under 20 MB, however many loans there are


def candidates(categories: Categories, seed: int) -> list[Candidate]:
    return [_forest(categories, seed), _logistic(categories, seed)]


def _forest(categories: Categories, seed: int) -> Candidate:
    medians = SimpleImputer(strategy="median", keep_empty_features=True)
    # one process: the search uses the cores, and threads only slow down a single row
    forest = RandomForestClassifier(max_leaf_nodes=MOST_LEAVES, n_jobs=None, random_state=seed)
    return Candidate(
        name="random_forest_given",
        description="medians for missing numbers, one column a category, full-grown trees: "
        "the model this replaces",
        pipeline=pipeline(NUMBERS, medians, categories, forest),
        grid={"model__n_estimators": [10, 30, 100]},
    )


def _logistic(categories: Categories, seed: int) -> Candidate:
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8, random_state=seed)
    return Candidate(
        name="logistic_scaled",
        description="logarithms of the numbers, one column a category, strongly regularised",
        pipeline=pipeline(NUMBERS, scaled_logarithms(), categories, model),
        grid={"model__C": [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]},
    )

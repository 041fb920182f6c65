"""Generate synthetic peer-to-peer loans like those of a real lender.

    python data/loan_risk/generate.py              # the committed sample
    python data/loan_risk/generate.py --loans 1000000 --to big --seed 1

The script writes peer_loans.csv in chunks. Only the outcome and the true
probability of each loan stay in memory. The same seed always generates the same
rows. No row describes a real person.

At the end, the script prints the ROC AUC of the true probabilities. No model
can reach a higher one, except by chance.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

CHUNK_LOANS = 50_000
SAMPLE_SEED = 2018
BASE_LOG_ODDS = -4.8  # chosen so that 1.5% of loans are late

NULL_REVOL_UTIL = 6e-4

# grade: share of loans, lowest and highest annual rate (a fraction), mean use of revolving credit
GRADE = {
    "A": (0.2926, 0.053, 0.085, 0.35),
    "B": (0.2752, 0.096, 0.127, 0.43),
    "C": (0.2444, 0.131, 0.169, 0.49),
    "D": (0.1386, 0.175, 0.224, 0.55),
    "E": (0.0422, 0.234, 0.273, 0.56),
    "F": (0.0056, 0.287, 0.308, 0.61),
    "G": (0.0014, 0.308, 0.309, 0.66),
}
RATES_PER_GRADE = 5  # such as A1 to A5

# purpose: weight among loans, log odds
PURPOSE = {
    "debt_consolidation": (2_766, 0.1), "credit_card": (1_397, -0.3), "other": (279, 0.3),
    "home_improvement": (270, -0.2), "major_purchase": (81, 0.0), "medical": (47, 0.3),
    "small_business": (36, 0.7), "car": (35, 0.2), "vacation": (34, 0.1), "house": (28, 0.0),
    "moving": (24, 0.5), "renewable_energy": (3, 0.0),
}  # fmt: skip

# years in the job: weight among loans (None: not stated), log odds
EMPLOYED = {
    "10+ years": (1_688, -0.2), "< 1 year": (481, 0.2), "2 years": (465, 0.1),
    "3 years": (421, 0.0), None: (345, 0.2), "4 years": (329, 0.1), "1 year": (309, 0.3),
    "5 years": (286, 0.1), "6 years": (211, -0.1), "7 years": (175, -0.1), "8 years": (171, -0.1),
    "9 years": (119, 0.0),
}  # fmt: skip

# home: weight among loans, median income, log odds
HOME = {
    "MORTGAGE": (2_303, 80_000.0, -0.1), "RENT": (2_115, 62_000.0, 0.1),
    "OWN": (575, 64_000.0, 0.0), "ANY": (7, 45_000.0, 0.0),
}  # fmt: skip
DELINQUENCIES = {0: 0.843, 1: 0.111, 2: 0.028, 3: 0.009, 4: 0.005, 5: 0.004}  # in two years


def chunks(loans: int, seed: int) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """Yield chunks of loans, each with the loans' true probabilities of being late."""
    for number, first in enumerate(range(0, loans, CHUNK_LOANS)):
        rng = np.random.default_rng([seed, number])
        yield _chunk(rng, min(CHUNK_LOANS, loans - first))


def _chunk(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    grade, purpose, employed, home = (
        rng.choice(len(table), n, p=_shares([row[0] for row in table.values()]))
        for table in (GRADE, PURPOSE, EMPLOYED, HOME)
    )
    bands = np.array(list(GRADE.values()))
    step = rng.integers(0, RATES_PER_GRADE, n) / (RATES_PER_GRADE - 1)
    rate = np.round(bands[grade, 1] + step * (bands[grade, 2] - bands[grade, 1]), 4)
    median = np.array([row[1] for row in HOME.values()])[home]
    income = np.clip(median * np.exp(rng.normal(0, 0.5, n)), 6_000, 750_000)
    income = np.where(rng.random(n) < 0.87, np.round(income, -3), np.round(income))
    unit = np.where(rng.random(n) < 0.8, 1_000, 25)
    amount = 13_000 * (income / 70_000) ** 0.6 * np.exp(rng.normal(0, 0.64, n))
    amount = np.clip(np.round(amount / unit) * unit, 1_000, 40_000)
    used = np.clip(np.round(rng.beta(2, 2 / bands[grade, 3] - 2, n), 3), 0, 1.01)
    loans = pd.DataFrame(
        {
            "loan_amnt": amount.astype(int),
            "int_rate": rate,
            "purpose": np.array(list(PURPOSE))[purpose],
            "grade": np.array(list(GRADE))[grade],
            "annual_inc": income,
            "revol_util": used,
            "emp_length": np.array(list(EMPLOYED), dtype=object)[employed],
            "dti": np.round(np.clip(rng.normal(15.5 + 1.2 * grade, 8.4, n), 0, 39.99), 2),
            "delinq_2yrs": rng.choice(list(DELINQUENCIES), n, p=_shares([*DELINQUENCIES.values()])),
            "home_ownership": np.array(list(HOME))[home],
        }
    )
    probability = true_probability(loans)
    loans["revol_util"] = loans["revol_util"].mask(rng.random(n) < NULL_REVOL_UTIL)
    return loans.assign(is_late=(rng.random(n) < probability).astype(int)), probability


def true_probability(loans: pd.DataFrame) -> np.ndarray:
    """Compute the probability of paying late, to which each column contributes on its own."""
    purpose, employed, home = (
        loans[name].map({key: row[-1] for key, row in table.items()})
        for name, table in (
            ("purpose", PURPOSE),
            ("emp_length", EMPLOYED),
            ("home_ownership", HOME),
        )
    )
    log_odds = (
        BASE_LOG_ODDS
        + 16.0 * (loans["int_rate"] - 0.13)
        + 0.035 * (loans["dti"] - 17.6)
        - 0.6 * np.log(loans["annual_inc"] / 70_000)
        + 0.35 * np.log(loans["loan_amnt"] / 13_000)
        + 0.15 * loans["delinq_2yrs"].clip(upper=3)
        + 0.6 * (loans["revol_util"] - 0.45)
        + (purpose + employed + home).to_numpy()
    )
    return (1 / (1 + np.exp(-log_odds))).to_numpy()


def _shares(weights: list[float]) -> np.ndarray:
    return np.array(weights) / np.sum(weights)


def write(folder: Path, loans: int, seed: int) -> tuple[int, float]:
    """Write the file, which gets its final name only when it is complete.

    Returns:
        The number of late loans, and the ROC AUC of the true probabilities.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ".peer_loans.partial"
    late_chunks: list[np.ndarray] = []
    probabilities: list[np.ndarray] = []
    try:
        with partial.open("w", newline="") as file:
            for frame, probability in chunks(loans, seed):
                frame.to_csv(file, index=False, header=not late_chunks)
                late_chunks.append(frame["is_late"].to_numpy(dtype=np.int8))
                probabilities.append(probability)
        partial.replace(folder / "peer_loans.csv")
    finally:
        partial.unlink(missing_ok=True)
    late = np.concatenate(late_chunks)
    return int(late.sum()), float(roc_auc_score(late, np.concatenate(probabilities)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, folder = parser.add_argument, Path(__file__).parent
    add("--loans", type=int, default=10_000, metavar="N", help="number of loans (default: 10000)")
    seed_help = "seed of all random values (default: %(default)s)"
    add("--seed", type=int, default=SAMPLE_SEED, metavar="N", help=seed_help)
    to_help = "output folder (default: the folder of this script, where it replaces the sample)"
    add("--to", type=Path, default=folder, metavar="DIR", help=to_help)
    args = parser.parse_args()
    late, auc = write(args.to, args.loans, args.seed)
    print(
        f"{args.to}: {args.loans:,} loans, {late:,} late ({late / args.loans:.2%}). "
        f"The ROC AUC of the true probabilities is {auc:.4f}."
    )


if __name__ == "__main__":
    main()

"""Generate synthetic leads, offers and clicks like those of a real marketplace.

    python data/offer_click/generate.py            # the committed sample
    python data/offer_click/generate.py --leads 1000000 --to big --seed 1

The script writes ds_leads, ds_offers and ds_clicks as Parquet files compressed
with gzip (.parquet.gzip). It writes in chunks, so memory use does not grow with
the number of leads. The same seed always generates the same rows. No row
describes a real person.

At the end, the script prints the ROC AUC of the true click probabilities. No
model can reach a higher one, except by chance.
"""

import argparse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK_LEADS = 5_000
NULL_SHARE = {"requested": 53e-5, "loan_purpose": 27e-5, "credit": 62e-5, "annual_income": 62e-5}

# credit band: share of leads, median amount, median income, share of short-term offers, log odds
CREDIT = {
    "poor": (0.50856, 800.0, 36_000.0, 0.90, 0.0),
    "fair": (0.31802, 1_100.0, 42_000.0, 0.76, 0.1),
    "good": (0.14217, 1_900.0, 51_000.0, 0.34, -0.1),
    "excellent": (0.02988, 7_500.0, 72_000.0, 0.08, -0.2),
    "limited": (0.00070, 5_000.0, 40_000.0, 0.37, 1.6),
    "unknown": (0.00067, 11_000.0, 70_000.0, 0.10, 0.3),
}

# purpose: weight among leads, log odds
PURPOSE = {
    "debt_consolidation": (78_521, -0.4), "other": (11_101, 0.0), "home_improvement": (2_110, 0.6),
    "auto": (1_552, 1.0), "medical_dental": (1_543, 0.8), "credit_card_refi": (1_283, 0.4),
    "large_purchases": (947, 0.9), "business": (744, 0.5), "moving_relocation": (703, 1.1),
    "vacation": (296, 1.4), "wedding": (201, 1.2), "household_expenses": (180, 1.6),
    "taxes": (170, 1.0), "student_loan": (146, 1.7), "special_occasion": (142, 1.2),
    "baby": (85, 1.0), "unknown": (57, 1.5), "boat": (55, -0.3), "auto_refinance": (47, -0.6),
    "auto_purchase": (28, 0.6), "emergency": (16, 0.4), "life_event": (16, 0.7),
    "car_repair": (11, 1.6), "green": (7, 0.2), "cosmetic": (6, 0.1), "student_loan_refi": (4, 0.9),
    "home_purchase": (1, 0.0), "motorcycle": (1, 0.5),
}  # fmt: skip

SHORT_TERM_LENDERS = {1103: 0.67, 1777: 0.20, 1390: 0.13}
ORDINARY_LENDERS = {
    327: 0.24, 240: 0.16, 621: 0.14, 1065: 0.12, 11: 0.11, 2042: 0.09, 958: 0.07, 45: 0.05,
    1588: 0.02,
}  # fmt: skip
SPIKES = {149.0: 0.45, 159.0: 0.25, 199.0: 0.12, 249.0: 0.18}  # of short-term apr

BASE_LOG_ODDS = -4.58  # chosen so that 2% of offers are clicked
SAMPLE_SEED = 2021
FIRST_OFFER_ID = 810_000_000
FIRST_CLICK = np.datetime64("2021-03-23T00:05:15", "us")
CLICK_DAYS = 29.0


class TrueAuc:
    """Computes the ROC AUC of the true probabilities from histograms, in constant memory."""

    def __init__(self, bins: int = 100_000) -> None:
        self.bins, self.clicked, self.others = bins, np.zeros(bins), np.zeros(bins)

    def add(self, probability: np.ndarray, clicked: np.ndarray) -> None:
        log_odds = np.log(probability / (1 - probability))
        positions = np.clip((log_odds + 15) / 20 * self.bins, 0, self.bins - 1).astype(int)
        self.clicked += np.bincount(positions[clicked], minlength=self.bins)
        self.others += np.bincount(positions[~clicked], minlength=self.bins)

    def value(self) -> float:
        below = np.cumsum(self.others) - self.others
        pairs = self.clicked @ (below + self.others / 2)
        return float(pairs / (self.clicked.sum() * self.others.sum()))


@dataclass(frozen=True)
class Chunk:
    """Some leads with all their offers and clicks, and each offer's true click probability."""

    leads: pa.Table
    offers: pa.Table
    clicks: pa.Table
    probability: np.ndarray
    clicked: np.ndarray


def chunks(leads: int, seed: int) -> Iterator[Chunk]:
    """Yield the rows of this many leads in chunks, each from its own random number generator."""
    next_offer = FIRST_OFFER_ID
    for number, first in enumerate(range(0, leads, CHUNK_LEADS)):
        rng = np.random.default_rng([seed, number])
        chunk = _chunk(rng, min(CHUNK_LEADS, leads - first), first, next_offer)
        next_offer = chunk.offers["offer_id"][-1].as_py() + 1
        yield chunk


def _chunk(rng: np.random.Generator, n: int, first_lead: int, first_offer: int) -> Chunk:
    credit = rng.choice(len(CREDIT), n, p=_shares([c[0] for c in CREDIT.values()]))
    purpose = rng.choice(len(PURPOSE), n, p=_shares([p[0] for p in PURPOSE.values()]))
    bands = np.array(list(CREDIT.values()))
    requested = _amounts(rng, bands[credit, 1])
    income = _incomes(rng, bands[credit, 2])

    lead = np.repeat(np.arange(n), np.minimum(rng.geometric(1 / 4.6, n), 64))
    short = rng.random(len(lead)) < bands[credit[lead], 3]
    apr = np.where(short, _short_term_apr(rng, len(short)), _ordinary_apr(rng, len(short)))
    probability = true_probability(credit[lead], purpose[lead], requested[lead], income[lead], apr)
    clicked = rng.random(len(apr)) < probability

    uuids = np.array([str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(n)])
    offer_id = first_offer + np.cumsum(rng.integers(1, 14, len(apr)))
    lenders = np.where(
        short, _pick(rng, SHORT_TERM_LENDERS, len(apr)), _pick(rng, ORDINARY_LENDERS, len(apr))
    )
    days = np.minimum(rng.exponential(5.2, int(clicked.sum())), CLICK_DAYS)
    clicked_at = FIRST_CLICK + (days * 86_400_000).astype("timedelta64[ms]")
    nullable = {
        "requested": requested,
        "loan_purpose": np.array(list(PURPOSE))[purpose],
        "credit": np.array(list(CREDIT))[credit],
        "annual_income": income,
    }
    leads = {"lead_uuid": uuids}
    for name, values in nullable.items():
        leads[name] = pa.array(values, mask=rng.random(n) < NULL_SHARE[name])
    # the original file contains its pandas index, which loaders must ignore
    leads["__index_level_0__"] = np.arange(first_lead, first_lead + n)
    offers = {"lead_uuid": uuids[lead], "offer_id": offer_id, "apr": apr, "lender_id": lenders}
    clicks = {"offer_id": offer_id[clicked], "clicked_at": clicked_at}
    return Chunk(pa.table(leads), pa.table(offers), pa.table(clicks), probability, clicked)


def true_probability(
    credit: np.ndarray,
    purpose: np.ndarray,
    requested: np.ndarray,
    income: np.ndarray,
    apr: np.ndarray,
) -> np.ndarray:
    """Compute the click probability, with curves, steps and interactions that are not linear."""
    short = apr > 60
    small = requested <= 1_500
    hump = -0.5 * ((np.log1p(income) - np.log(38_000)) / 0.55) ** 2
    # few people want an ordinary loan for a small sum, or a short-term loan for a large one
    fit = np.where(short, np.where(small, 0.6, -2.0), np.where(small, 0.3, 1.9))
    # short-term rates are compared with one another; an ordinary rate has an ideal value
    price = np.where(
        short, 1.2 * np.cos((apr - 120) / 22) - (apr > 260) * 1.5, 1.3 - ((apr - 9) / 14) ** 2 / 2
    )
    log_odds = (
        BASE_LOG_ODDS
        + np.array([c[4] for c in CREDIT.values()])[credit]
        + np.array([p[1] for p in PURPOSE.values()])[purpose]
        + np.maximum(hump, -2.5)
        + fit
        + np.maximum(price, -2.0)
        + 0.9 * ((credit == 0) & ~short & (apr < 25))
    )
    return 1 / (1 + np.exp(-log_odds))


def _shares(weights: list[float]) -> np.ndarray:
    return np.array(weights) / np.sum(weights)


def _pick(rng: np.random.Generator, shares: dict, n: int) -> np.ndarray:
    return rng.choice(np.array(list(shares)), n, p=_shares(list(shares.values())))


def _amounts(rng: np.random.Generator, median: np.ndarray) -> np.ndarray:
    amount = median * np.exp(rng.normal(0, 1.1, len(median)))
    step = np.where(amount < 1_000, 50.0, np.where(amount < 10_000, 500.0, 1_000.0))
    rounded = np.maximum(np.round(amount / step) * step, 1.0)
    rounded = np.where(rng.random(len(median)) < 0.18, 1_000.0, rounded)  # the form's default
    return np.minimum(rounded, 250_000)


def _incomes(rng: np.random.Generator, median: np.ndarray) -> np.ndarray:
    income = np.round(median * np.exp(rng.normal(0, 0.5, len(median))) / 600) * 600
    odd = rng.random(len(median))
    income = np.where(odd < 0.0004, 0.0, income)  # field left empty
    return np.where(odd > 0.9999, 11_111_111.0, income)  # key held down


def _short_term_apr(rng: np.random.Generator, n: int) -> np.ndarray:
    kind = rng.random(n)
    tail = np.minimum(250 + rng.exponential(90, n), 565.15)
    spread = np.round(rng.uniform(97, 249, n), 2)
    apr = np.where(kind < 0.6, _pick(rng, SPIKES, n), spread)
    return np.where(kind > 0.96, np.round(tail, 2), apr)


def _ordinary_apr(rng: np.random.Generator, n: int) -> np.ndarray:
    apr = np.round(5 + 31 * rng.beta(2.2, 1.4, n), 2)
    return np.where(rng.random(n) < 0.02, np.round(rng.uniform(0.18, 5, n), 2), apr)


def write(folder: Path, leads: int, seed: int) -> tuple[int, int, float]:
    """Write the three files, which get their final names only when they are complete.

    Returns:
        The numbers of offers and of clicks, and the ROC AUC of the true probabilities.
    """
    folder.mkdir(parents=True, exist_ok=True)
    auc, offers, clicks = TrueAuc(), 0, 0
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        for chunk in chunks(leads, seed):
            tables = {"ds_leads": chunk.leads, "ds_offers": chunk.offers, "ds_clicks": chunk.clicks}
            for name, rows in tables.items():
                if name not in writers:
                    writers[name] = _writer(folder / f".{name}.partial", rows.schema)
                writers[name].write_table(rows)
            auc.add(chunk.probability, chunk.clicked)
            offers, clicks = offers + chunk.offers.num_rows, clicks + chunk.clicks.num_rows
        for name, writer in writers.items():
            writer.close()
            (folder / f".{name}.partial").replace(folder / f"{name}.parquet.gzip")
    finally:
        for name, writer in writers.items():
            writer.close()
            (folder / f".{name}.partial").unlink(missing_ok=True)
    return offers, clicks, auc.value()


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    increasing = {"offer_id", "__index_level_0__"} & set(schema.names)
    return pq.ParquetWriter(
        path,
        schema,
        compression="gzip",
        compression_level=9,
        use_dictionary=[name for name in schema.names if name not in increasing],
        column_encoding=dict.fromkeys(increasing, "DELTA_BINARY_PACKED"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, folder = parser.add_argument, Path(__file__).parent
    add("--leads", type=int, default=10_000, metavar="N", help="number of leads (default: 10000)")
    seed_help = "seed of all random values (default: %(default)s)"
    add("--seed", type=int, default=SAMPLE_SEED, metavar="N", help=seed_help)
    to_help = "output folder (default: the folder of this script, where it replaces the sample)"
    add("--to", type=Path, default=folder, metavar="DIR", help=to_help)
    args = parser.parse_args()
    offers, clicks, auc = write(args.to, args.leads, args.seed)
    print(
        f"{args.to}: {args.leads:,} leads, {offers:,} offers, {clicks:,} clicks "
        f"({clicks / offers:.2%}). The ROC AUC of the true probabilities is {auc:.4f}."
    )


if __name__ == "__main__":
    main()

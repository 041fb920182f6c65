"""Ranking metrics within groups: do positive rows, such as clicked offers, rank first.

Only groups with a positive and a negative row count, because the others have only one ranking.
Tied rows are in random order, so every metric is its mean over those orders.
"""

import numpy as np
import pandas as pd

from metrics.bootstrap import Bootstrap


def ranking_metrics(
    label: np.ndarray, score: np.ndarray, group: np.ndarray, bootstrap: Bootstrap
) -> dict[str, np.ndarray]:
    """Means over the groups, each of shape (1 + replicates,).

    Returns:
        ndcg: the normalized discounted cumulative gain (Järvelin and Kekäläinen, ACM TOIS 20
            (2002), 422-446), which is 1 if all positive rows rank before the negative ones.
        ranked_first: the share of groups whose first row is positive.
    """
    frame = pd.DataFrame({"label": label, "score": score, "group": pd.factorize(group)[0]})
    order = frame.sort_values(["group", "score"], ascending=[True, False], kind="stable")
    groups = order.groupby("group", sort=False)
    rank = groups.cumcount().to_numpy()
    discount = pd.Series(1 / np.log2(rank + 2), index=order.index)
    first = pd.Series((rank == 0).astype(float), index=order.index)
    ties = [order["group"], order["score"]]
    positives, size = groups["label"].transform("sum"), groups["label"].transform("size")
    ideal = np.r_[0, np.cumsum(1 / np.log2(np.arange(size.max()) + 2))][positives]
    counted = ((positives > 0) & (positives < size)).to_numpy()
    gains = {
        name: np.where(counted, values.groupby(ties).transform("mean") * order["label"], 0)
        for name, values in (("ndcg", discount), ("ranked_first", first))
    }
    gains["ndcg"] = gains["ndcg"] / np.maximum(ideal, 1e-12)
    gains["groups"] = np.where(counted, 1 / size, 0)
    original_order = np.argsort(order.index.to_numpy(), kind="stable")
    sums = bootstrap.sums({k: np.asarray(gain)[original_order] for k, gain in gains.items()})
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: sums[name] / sums["groups"] for name in ("ndcg", "ranked_first")}

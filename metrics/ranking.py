"""How well rows are ranked within their group: is what a lead clicks among the first offers.

Only groups with a positive row and at least one other count: the rest can be ranked in one way.
Rows with the same score stand in random order, so every figure is the mean over their orders.
"""

import numpy as np
import pandas as pd

from metrics.bootstrap import Bootstrap


def ranking_metrics(
    label: np.ndarray, score: np.ndarray, group: np.ndarray, bootstrap: Bootstrap
) -> dict[str, np.ndarray]:
    """The mean over groups, each of shape (1 + replicates,).

    Returns:
        ndcg: the normalised discounted cumulative gain (Järvelin and Kekäläinen, ACM TOIS 20
            (2002), 422-446), 1 where all positive rows stand in front.
        ranked_first: how often the row in front is positive.
    """
    frame = pd.DataFrame({"label": label, "score": score, "group": pd.factorize(group)[0]})
    order = frame.sort_values(["group", "score"], ascending=[True, False], kind="stable")
    groups = order.groupby("group", sort=False)
    place = groups.cumcount().to_numpy()
    discount = pd.Series(1 / np.log2(place + 2), index=order.index)
    first = pd.Series((place == 0).astype(float), index=order.index)
    equals = [order["group"], order["score"]]
    positives, size = groups["label"].transform("sum"), groups["label"].transform("size")
    ideal = np.r_[0, np.cumsum(1 / np.log2(np.arange(size.max()) + 2))][positives]
    counted = ((positives > 0) & (positives < size)).to_numpy()
    gains = {
        name: np.where(counted, values.groupby(equals).transform("mean") * order["label"], 0)
        for name, values in (("ndcg", discount), ("ranked_first", first))
    }
    gains["ndcg"] = gains["ndcg"] / np.maximum(ideal, 1e-12)
    gains["groups"] = np.where(counted, 1 / size, 0)
    back = np.argsort(order.index.to_numpy(), kind="stable")
    sums = bootstrap.sums({name: np.asarray(values)[back] for name, values in gains.items()})
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: sums[name] / sums["groups"] for name in ("ndcg", "ranked_first")}

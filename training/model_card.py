"""What people read in MLflow: a version's model card, and a training's comparison, in Markdown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from metrics.bootstrap import Estimate
from training.dataset import Dataset
from training.search import SearchResult

SHOWN = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "ndcg": "NDCG",
    "ranked_first": "ranked first",
    "calibration_slope": "calibration slope",
    "calibration_error": "calibration error",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
    "accuracy_at_half": "accuracy at 0.5",
    "balanced_accuracy_at_base_rate": "accuracy, balanced test set",
}


@dataclass(frozen=True)
class ComparisonRow:
    """A candidate's line in the comparison of a training."""

    name: str
    version: str
    is_benchmark: bool
    params: str
    cv: str
    test: Mapping[str, Estimate]
    single_row_ms: float


def baseline_values(base: Mapping[str, Estimate], orders: Mapping[str, Estimate]) -> dict[str, str]:
    """What always predicting the base rate reaches, and what simple orders within a group do."""
    found = {name: f"{value.value:.4f} base rate" for name, value in base.items()}
    for metric in ("ndcg", "ranked_first"):
        found[metric] = ", ".join(
            f"{value.value:.4f} {name.removesuffix(f'_{metric}').replace('_', ' ')}"
            for name, value in orders.items()
            if name.endswith(metric)
        )
    return found


def comparison(
    lines: Sequence[ComparisonRow], first: str, why: str, base: Mapping[str, float]
) -> str:
    """Which candidate is best, why, and the figures of all."""
    header = ("candidate", "version", "cv log loss", "log loss", "ROC AUC", "average precision")
    rows = [
        (
            f"**{line.name}**" if line.name == first else line.name,
            f"{line.version}{' (yardstick)' * line.is_benchmark}",
            line.cv,
            *(str(line.test[name]) for name in ("log_loss", "roc_auc", "average_precision")),
            str(line.test["calibration_slope"]),
            f"{line.single_row_ms:.1f}",
        )
        for line in lines
    ]
    rates = [f"{base[name]:.4f}" for name in ("log_loss", "roc_auc", "average_precision")]
    rows.append(("base rate", "", "", *rates, "", ""))
    text = _table((*header, "calibration slope", "ms a row"), rows)
    best = next(line.test for line in lines if line.name == first)
    yardsticks = "".join(
        f"; the yardstick {line.name} reaches {line.test['roc_auc'].value:.4f}"
        for line in lines
        if line.is_benchmark
    )
    return (
        f"**{first}** is best: {why}. On held-out rows its ROC AUC is {best['roc_auc']}"
        f"{yardsticks}.\n\n{text}\n\nAll but the cross-validated (cv) figures are of "
        "held-out rows, with 95 % intervals. More below *Artifacts*: `comparison.png`, and "
        "`profile/` of the data; each candidate's plots are in its own run. What was chosen: "
        + "; ".join(f"{line.name} {line.params}" for line in lines)
        + "."
    )


def version_card(
    data: Dataset,
    found: SearchResult,
    threshold: float,
    rule: str,
    test: Mapping[str, Estimate],
    to_beat: Mapping[str, str],
    example: pd.DataFrame,
) -> str:
    """A model card (Mitchell et al., Model cards for model reporting, FAT* 2019), in short."""
    problem, rows = data.problem, len(data.raw)
    yes = problem.outcome_labels[1]
    params = ", ".join(f"{name} {value}" for name, value in found.best.params.items())
    figures = _table(
        ("on held-out rows", "value (95 % interval)", "to beat"),
        [
            (title, str(test[name]), to_beat.get(name, ""))
            for name, title in SHOWN.items()
            if name in test
        ],
    )
    row = json.loads(example.iloc[[0]].to_json(orient="records"))
    call = json.dumps({"dataframe_records": row})
    return f"""**{found.candidate.name}**: {found.candidate.description}. {params}.

Answers with the probability of *{yes}* ({problem.name}), one row at a time or many.

**Data.** {rows:,} rows of {data.source} ({data.date_ranges}), {data.raw["label"].mean():.2%} of \
them *{yes}*. Digest over all rows: `{data.digest}`.

**Split.** {len(data.test):,} rows are held out from every version by the hash of their \
{data.group_column}; {len(data.train):,} were trained on, searched by cross-validation over whole \
{data.group_column}.

{figures}

**Threshold.** *{yes}* from {threshold:.4f} on: {rule}, on rows that the fold's model had not seen.

**Limits.** It knows the rows that were shown to people, and what they did then: it does not say \
what would happen to others, or later. Its probabilities hold where as many are *{yes}* as above. \
Nulls and categories never seen are allowed, and cost accuracy. Nobody has examined whether it \
treats groups of people alike.

**Call it.** `mlflow models serve -m models:/{problem.model_name}@champion --env-manager local`, \
then post to `/invocations` (the second number is the probability):

```json
{call}
```
"""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

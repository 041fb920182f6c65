"""The Markdown pages in MLflow: the model card of a version, and the comparison of a training."""

import json
from collections.abc import Mapping, Sequence

from metrics import catalog
from metrics.bootstrap import Estimate
from metrics.cross_validation import summarize_folds
from scorecard.points import PointScale
from training.dataset import Dataset
from training.evaluate import Evaluation
from training.search import SearchResult


def baseline_values(
    base_rate: Mapping[str, Estimate], ranking_baselines: Mapping[str, Estimate]
) -> dict[str, str]:
    """For each metric, the values of the base-rate model or of simple orders within a group."""
    values = {name: f"{value.value:.4f} base rate" for name, value in base_rate.items()}
    values.pop("calibration_error", None)  # a constant has none but by chance
    for metric in ("ndcg", "ranked_first"):
        values[metric] = ", ".join(
            f"{value.value:.4f} {name.removesuffix(f'_{metric}').replace('_', ' ')}"
            for name, value in ranking_baselines.items()
            if name.endswith(metric)
        )
    return values


def comparison(
    evaluations: Mapping[str, Evaluation], best: str, reason: str, base_rate: Mapping[str, float]
) -> str:
    """Which candidate is best and why, with the metrics of all; keyed by version number."""
    metrics = catalog.shown_in(catalog.COMPARISON)
    (best_search,) = (e.search_result for e in evaluations.values() if e.name == best)
    rows = [
        (
            f"**{e.name}**" if e.name == best else e.name,
            f"{version}{' (benchmark)' * e.search_result.candidate.is_benchmark}",
            str(e.search_result.best.scores["log_loss"]),
            "" if e.name == best else str(_difference(e.search_result, best_search)),
            *(str(e.held_out_metrics[metric.name]) for metric in metrics),
            f"{e.single_row_ms:.1f}",
        )
        for version, e in evaluations.items()
    ]
    base = (f"{base_rate[m.name]:.4f}" if m.name in base_rate else "" for m in metrics)
    rows.append(("base rate", "", "", "", *base, ""))
    header = (
        "candidate",
        "version",
        "CV log loss",
        f"CV log loss minus that of {best}",
        *(m.title for m in metrics),
        "ms per row",
    )
    auc = {e.name: e.held_out_metrics["roc_auc"] for e in evaluations.values()}
    others = "".join(
        f"; the benchmark model {e.name}, which is not promoted unless it is allowed, reaches "
        f"{auc[e.name].value:.4f}"
        for e in evaluations.values()
        if e.search_result.candidate.is_benchmark
    )
    best_params = "; ".join(f"{e.name} {e.search_result.best}" for e in evaluations.values())
    return (
        f"**{best}** is the best candidate to promote: {reason}. On held-out rows its ROC AUC is "
        f"{auc[best]}{others}.\n\n"
        f"{_table(header, rows)}\n\n"
        "All metrics are computed on held-out rows, except the cross-validated (CV) log loss; "
        "intervals are 95%. The *Artifacts* of the training's run have `comparison.png`, "
        "`calibration.png` and a `profile/` of the data; those of each candidate's run its plots. "
        f"Best parameters: {best_params}."
    )


def version_card(
    data: Dataset, evaluation: Evaluation, rule: str, baselines: Mapping[str, str]
) -> str:
    """A short model card (Mitchell et al., Model cards for model reporting, FAT* 2019)."""
    problem, candidate = data.problem, evaluation.search_result.candidate
    yes, group = problem.outcome_labels[1], data.group_column
    params = evaluation.search_result.best.params.items()
    estimates = evaluation.held_out_metrics
    metrics = _table(
        ("metric on held-out rows", "value (95% interval)", "baseline"),
        [
            (metric.title, str(estimates[metric.name]), baselines.get(metric.name, ""))
            for metric in catalog.shown_in(catalog.CARD)
            if metric.name in estimates
        ],
    )
    row = json.loads(evaluation.canary_rows.iloc[[0]].to_json(orient="records"))
    request = json.dumps({"dataframe_records": row}, indent=1)
    benchmark = "Benchmark, promoted only if it is allowed. " * candidate.is_benchmark
    return f"""{benchmark}ROC AUC {estimates["roc_auc"]} on held-out rows: {candidate.name}

{candidate.description[:1].upper()}{candidate.description[1:]}. \
Best grid point: {", ".join(f"{name} {value}" for name, value in params)}.

Predicts the probability of *{yes}* ({problem.name}) for one row or many.

**Data.** {len(data.raw):,} rows of {data.source} ({data.date_ranges}), of which \
{data.raw["label"].mean():.2%} are *{yes}*. Digest of all rows: `{data.digest}`.

**Split.** {len(data.test):,} rows are held out from every version, chosen by a hash of \
{group}. The model was trained on the other {len(data.train):,} rows; the cross-validation of the \
search keeps the rows of each {group} in one fold.

{metrics}

**Calibration.** {_describe_calibration(estimates["calibration_slope"])}

**Threshold.** The outcome is *{yes}* from a probability of {evaluation.threshold:.4f} on. The \
threshold was chosen on out-of-fold predictions by this rule: {rule}.

{_describe_scorecard(evaluation)}

**Limits.** The model was trained on rows that were shown to people and on what these people did. \
It may not apply to other people or to later times. Its probabilities assume the share of *{yes}* \
stated above. Nulls and unseen categories are allowed but reduce accuracy. Nobody has examined \
whether the model treats groups of people equally.

**Usage.** Run `mlflow models serve -m models:/{problem.model_name}@champion --env-manager local` \
(for the champion; `models:/{problem.model_name}/NUMBER` names a version) and post this to \
`/invocations` (the second number of the response is the probability):

```json
{request}
```
"""


def _difference(search: SearchResult, other: SearchResult) -> Estimate:
    """The difference of two candidates in cross-validated log loss, paired by fold."""
    scores, others = (result.fold_scores["log_loss"] for result in (search, other))
    return summarize_folds(scores - others, search.folds)


def _describe_calibration(slope: Estimate) -> str:
    if slope.low > 1:
        return "The slope is above 1: on average, the highest probabilities are too low."
    if slope.high < 1:
        return "The slope is below 1: on average, the highest probabilities are too high."
    return "The interval of the slope contains 1: the probabilities can be taken at face value."


def _describe_scorecard(evaluation: Evaluation) -> str:
    card = evaluation.scorecard
    if card is None:
        return "**Scorecard.** The model has none: its log odds are no sum of tables."
    tables = f"{len(card.singles)} tables of one column"
    if card.pairs:
        tables += f" and {len(card.pairs)} of two columns"
    return (
        f"**Scorecard.** The log odds of a row are exactly a sum of {tables}. The *Artifacts* of "
        f"the run have a plot of them (`scorecard.png`) and the points of each cell "
        f"(`scorecard.csv`: {PointScale()})."
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

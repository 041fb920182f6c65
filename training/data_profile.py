"""A profile of the training data as an HTML page, which a training run logs."""

import html

import pandas as pd

from training.dataset import Dataset

MAX_CATEGORIES = 40
STYLE = (
    "body{font:14px sans-serif;margin:2em}"
    "table{border-collapse:collapse;border:0;margin:1em 0}"
    "td,th{padding:.2em .8em;text-align:right;border:0;border-bottom:1px solid #ddd}"
)


def render_profile(data: Dataset) -> str:
    """Row counts, nulls, distributions and the share of positives by category, as escaped HTML."""
    raw, problem = data.raw, data.problem
    yes = html.escape(problem.outcome_labels[1])
    parts = [
        f"<h1>{html.escape(problem.name)}: {len(raw):,} rows</h1>",
        f"<p>{raw['label'].mean():.2%} are {yes}. {data.held_out_mask.sum():,} rows are held out, "
        f"chosen by a hash of {html.escape(problem.group_name)}. Digest: {data.digest}.</p>",
    ]
    if problem.numbers:
        parts += ["<h2>Numbers</h2>", _numbers(raw[problem.numbers]).to_html()]
    for name in problem.texts:
        table = _categories(raw, name, problem.outcome_labels[1])
        parts += [f"<h2>{html.escape(name)}</h2>", table.to_html(index_names=False)]
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{''.join(parts)}"


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    described = frame.describe(percentiles=[0.01, 0.25, 0.5, 0.75, 0.99]).T
    described.insert(0, "nulls", frame.isna().sum())
    return described.drop(columns="count").map("{:,.10g}".format)


def _categories(raw: pd.DataFrame, name: str, yes: str) -> pd.DataFrame:
    labels = raw["label"].groupby(raw[name].fillna("(null)"))
    table = pd.DataFrame({"rows": labels.size(), yes: labels.mean()})
    table = table.nlargest(MAX_CATEGORIES, "rows")
    shares = {"share of rows": table["rows"] / len(raw), yes: table[yes]}
    rows = table[["rows"]].map("{:,}".format)
    return rows.assign(**{k: v.map("{:.2%}".format) for k, v in shares.items()})

"""Predict whether a biopsy is malignant: a user's problem, which tests copy elsewhere."""

from sklearn.datasets import load_breast_cancer
from sqlalchemy import BigInteger, Column, Double, MetaData, String, select

from db.table_specs import ScoringSpec, Source, results_tables, source_table
from problems.spec import Feature, Problem

MEASURES = tuple(str(name) for name in load_breast_cancer().feature_names)

tables = MetaData()
biopsies = source_table(
    "biopsies",
    tables,
    Column("biopsy", String, primary_key=True),
    *(Column(name, Double, info={"minimum": 0}) for name in MEASURES),
    Column("malignant", BigInteger, info={"minimum": 0, "maximum": 1}),
)
columns = [biopsies.c[name] for name in MEASURES]

PROBLEM = Problem(
    name="biopsies",
    model_name="biopsies",
    module=__name__,
    sources=(Source(biopsies, "biopsies"),),
    scoring=ScoringSpec(
        rows=select(biopsies.c.biopsy, *columns),
        key=biopsies.c.biopsy,
        results=results_tables(
            "results_biopsies",
            tables,
            key=biopsies.c.biopsy,
            values=columns,
            outcome="finding",
            probability="malignant_probability",
        ),
    ),
    features=tuple(Feature(name, "number") for name in MEASURES),
    label=biopsies.c.malignant,
    outcome_labels=("Benign", "Malignant"),
)

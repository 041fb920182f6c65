"""Predict which peer-to-peer loans will be paid late."""

from pathlib import Path

from sqlalchemy import BigInteger, Column, Double, MetaData, String, func, select

from db.table_specs import (
    HASH_LENGTH,
    ScoringSpec,
    Source,
    content_key,
    results_tables,
    source_table,
)
from problems.spec import Feature, Problem

FEATURES = (
    Feature("loan_amnt", "number", "Amount of the loan", "dollars"),
    Feature("int_rate", "number", "Interest rate", "a fraction per year, such as 0.119"),
    Feature("purpose", "text", "Purpose of the loan"),
    Feature("grade", "text", "Grade given by the lender"),
    Feature("annual_inc", "number", "Annual income", "dollars"),
    Feature("revol_util", "number", "Credit line in use", "a fraction, such as 0.45"),
    Feature("emp_length", "text", "Length of employment"),
    Feature("dti", "number", "Debt to income", "percent"),
    Feature("delinq_2yrs", "number", "Payments missed in two years"),
    Feature("home_ownership", "text", "Home"),
)

tables = MetaData()

loans = source_table(
    "loans",
    tables,
    content_key("loan_key", columns=[feature.name for feature in FEATURES]),
    Column("loan_amnt", Double, info={"minimum": 0}),  # dollars
    # a fraction per year: values above 5 would be percentages
    Column("int_rate", Double, info={"minimum": 0, "maximum": 5}),
    Column("purpose", String),
    Column("grade", String),  # of the lender, A to G
    Column("annual_inc", Double, info={"minimum": 0}),  # dollars
    # share of the credit line in use, which may exceed 1
    Column("revol_util", Double, info={"minimum": 0, "maximum": 5}),
    Column("emp_length", String),  # "< 1 year", "1 year" … "10+ years"
    Column("dti", Double, info={"minimum": 0}),  # debt to income, percent
    Column("delinq_2yrs", Double, info={"minimum": 0}),  # payments missed in two years
    Column("home_ownership", String),
    # not yet known for a running loan, which can be scored nevertheless
    Column("is_late", BigInteger, info={"minimum": 0, "maximum": 1, "optional": True}),
)

columns = [loans.c[feature.name] for feature in FEATURES]
# the group is the key without its counter: copies of a loan are never split
content = func.substr(loans.c.loan_key, 1, HASH_LENGTH).label("content")

results = results_tables(
    "results_risk",
    tables,
    key=loans.c.loan_key,
    values=columns,
    outcome="risk",
    probability="late_probability",
)

PROBLEM = Problem(
    name="loan_risk",
    model_name="loan-risk",
    module=__name__,
    sources=(Source(loans, "peer_loans"),),
    scoring=ScoringSpec(
        rows=select(loans.c.loan_key, content, *columns),
        key=loans.c.loan_key,
        results=results,
        has_label=loans.c.is_late.is_not(None),
    ),
    features=FEATURES,
    label=loans.c.is_late,
    outcome_labels=("No risk", "Risk"),
    group="content",
    sample_folder=Path(__file__).parents[2] / "data" / "loan_risk",
    former_threshold=0.1,  # the former system said "Risk" if that of no risk was below 0.9
)

"""Predict which of the loan offers shown to an applicant (a lead) will be clicked."""

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    case,
    exists,
    select,
)

from db.table_specs import ScoringSpec, Source, results_tables, source_table
from db.tables import IdType
from problems.spec import Feature, Problem

tables = MetaData()

leads = source_table(
    "leads",
    tables,
    Column("lead_uuid", String, primary_key=True),
    Column("requested", Double, info={"minimum": 0}),  # dollars
    Column("loan_purpose", String),
    Column("credit", String),  # a band: poor, fair, good, …
    Column("annual_income", Double, info={"minimum": 0}),  # dollars
)

offers = source_table(
    "offers",
    tables,
    Column("offer_id", IdType, primary_key=True),
    Column("lead_uuid", ForeignKey(leads.c.lead_uuid), nullable=False),
    Column("apr", Double, info={"minimum": 0}),  # percent per year
    Column("lender_id", BigInteger),
)

clicks = source_table(
    "clicks",
    tables,
    Column("offer_id", ForeignKey(offers.c.offer_id), primary_key=True),
    Column("clicked_at", DateTime),
)

results = results_tables(
    "results_clicked",
    tables,
    key=offers.c.offer_id,
    values={
        "requested": Column("request_amt", Double),
        "annual_income": Column("annual_income", Double),
        "apr": Column("apr", Double),
        "credit": Column("credit_type", String),
        "loan_purpose": Column("loan_type", String),
    },
    outcome="clicked",
    probability="click_probability",
)

PROBLEM = Problem(
    name="offer_click",
    model_name="offer-click",
    module=__name__,
    sources=(Source(leads, "ds_leads"), Source(offers, "ds_offers"), Source(clicks, "ds_clicks")),
    scoring=ScoringSpec(
        rows=select(
            offers.c.offer_id,
            offers.c.lead_uuid,
            leads.c.requested,
            leads.c.loan_purpose,
            leads.c.credit,
            leads.c.annual_income,
            offers.c.apr,
        ).join_from(offers, leads),
        key=offers.c.offer_id,
        results=results,
    ),
    features=(
        Feature("requested", "number", "Amount requested", "dollars"),
        Feature("loan_purpose", "text", "Purpose of the loan"),
        Feature("credit", "text", "Credit standing"),
        Feature("annual_income", "number", "Annual income", "dollars"),
        Feature("apr", "number", "APR", "percent per year"),
    ),
    label=case((exists().where(clicks.c.offer_id == offers.c.offer_id), 1), else_=0).cast(Integer),
    outcome_labels=("Not clicked", "Clicked"),
    group="lead_uuid",
    former_threshold=0.5,
    ranking_baseline="apr",
    outcome_time=clicks.c.clicked_at,
    # unknown when a single row is scored by hand
    optional_columns={"lender_id": offers.c.lender_id.cast(String)},
    sample_folder=Path(__file__).parents[2] / "data" / "offer_click",
    is_default=True,
)

"""The problem of offer clicks with a single candidate that trains within a second."""

from dataclasses import replace

from problems.offer_click import PROBLEM as OFFERS

PROBLEM = replace(
    OFFERS,
    name="tiny_offers",
    model_name="tiny-offers",
    module=__name__,
    sample_folder=None,
    is_default=False,
)

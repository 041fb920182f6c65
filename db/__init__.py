"""The lender's tables and the results: everything that speaks SQL."""

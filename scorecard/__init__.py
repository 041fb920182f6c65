"""A model as a scorecard: a table for each column and for each pair of columns."""

"""Scoring on a Spark cluster: the rows to score, the work of the executors, the results folder."""

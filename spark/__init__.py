"""Scoring a table on a Spark cluster: the rows, the work of its executors, the results folder."""

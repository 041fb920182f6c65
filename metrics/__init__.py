"""Metrics and their confidence intervals, shared by training, promotion and monitoring."""

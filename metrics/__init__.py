"""Metrics with their intervals: what training, promotion and monitoring compute alike."""

"""The workers of serve.py: the application, loaded model versions, limits, tokens, telemetry."""

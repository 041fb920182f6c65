"""The server behind serve.py: versions taken up while in use, limits, logins, metrics, a log."""

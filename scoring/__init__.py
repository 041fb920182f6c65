"""Asking a served model: the call, its errors, and scoring a whole table through it."""

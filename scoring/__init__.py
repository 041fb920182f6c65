"""The batch client: one REST call to a served model, its errors, and scoring a whole table."""

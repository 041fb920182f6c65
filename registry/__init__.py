"""MLflow's store: runs, model versions, aliases, promotions and canary rows."""

"""What MLflow keeps: runs, versions of models and their aliases, canary rows."""

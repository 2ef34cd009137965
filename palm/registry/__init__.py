"""MLflow: runs of builds, and portfolios as versions of a registered model."""

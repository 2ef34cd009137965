"""MLflow: runs, the portfolio as a model, promotion."""

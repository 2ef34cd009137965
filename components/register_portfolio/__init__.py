"""Component: the portfolio as one MLflow model version."""

"""Component: the portfolio as one MLflow model version, and the gate before the alias champion."""

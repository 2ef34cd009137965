"""Metrics for Prometheus, read from the storage and MLflow."""

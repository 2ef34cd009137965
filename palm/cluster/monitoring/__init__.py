"""Metrics for Prometheus: read from where they are true, the storage and MLflow."""

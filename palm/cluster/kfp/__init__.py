"""Kubeflow Pipelines: submitting, scheduling and listing runs."""

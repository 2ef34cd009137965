"""Kubeflow Pipelines in a cluster: submitting, scheduling, listing runs, finding out what is missing."""

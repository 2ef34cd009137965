"""Kubeflow in a cluster: runs, schedules, checks, monitoring."""

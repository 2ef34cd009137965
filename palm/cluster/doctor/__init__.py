"""Checks of a cluster before a run."""

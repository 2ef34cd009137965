"""Checks of a cluster: what a run would lack."""

"""Acceptance test of a cluster by tiny builds."""

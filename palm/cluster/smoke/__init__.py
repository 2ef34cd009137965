"""Acceptance of a cluster by tiny builds."""

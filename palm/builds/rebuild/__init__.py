"""Rebuilding: what changed, and which earlier policies serve again."""

"""Serving: preference weights to a policy, and its answers."""

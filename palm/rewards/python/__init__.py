"""Rewards that are Python functions, fingerprinted by the part of their source that can decide a value."""

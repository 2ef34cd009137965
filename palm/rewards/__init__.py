"""Rewards: loading, scoring, normalisation, fingerprints."""

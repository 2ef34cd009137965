"""Portfolios: value tables, certificates, exact and greedy selection, usage, sampling error."""

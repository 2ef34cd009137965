"""The geometry of preferences and portfolios: pure functions of arrays."""

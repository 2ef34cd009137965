"""Preferences: the simplex, cells, exact coverage, grids of preference vectors to train for."""

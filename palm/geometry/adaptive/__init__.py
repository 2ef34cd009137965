"""Adaptive design: which preferences to train next, until a gap to the optimum is certified."""

"""Rewards that are sequence classifiers: their files, the model in memory, and the score of one label."""

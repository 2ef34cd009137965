"""Rewards that need no model: checks of a response's form, length or number."""

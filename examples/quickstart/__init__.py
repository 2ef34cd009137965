"""Quickstart: everyday questions, replies of varied tone, and three rewards that compete."""

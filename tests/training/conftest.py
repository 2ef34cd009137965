"""Fixtures of trainings."""

from support.trainings import built, prepared, trained  # noqa: F401

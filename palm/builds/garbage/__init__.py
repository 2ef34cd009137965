"""Garbage collection in the storage."""

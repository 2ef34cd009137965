"""Promotion: the gate and the alias `champion`."""

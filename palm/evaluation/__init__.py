"""Measuring a policy: rewards, divergence, objective."""

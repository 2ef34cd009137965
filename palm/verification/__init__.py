"""Checks saved certificates again; shares no code with what found them."""

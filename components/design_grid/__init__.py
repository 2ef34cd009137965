"""Component: the preference weights to train."""

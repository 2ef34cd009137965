"""Component: the preference weights to train, and how each policy is obtained."""

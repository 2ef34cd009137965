"""Component: the base model in a folder."""

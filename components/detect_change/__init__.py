"""Component: whether there is anything new to build."""
